-- Each client waits 100 ms on its new connection before it asks.
function delay() return 100 end
