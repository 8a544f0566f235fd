-- A POST of 10 KB of JSON, which wrk's options can't say.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"numbers": [' .. string.rep("12345678, ", 1022) .. "0]}"
