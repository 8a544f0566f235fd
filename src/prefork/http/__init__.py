"""HTTP/1.1 as protocol: bytes to requests and answers to bytes, without sockets or clocks."""
