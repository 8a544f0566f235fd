"""Which worker gets the next connection; connections and workers are opaque here."""
