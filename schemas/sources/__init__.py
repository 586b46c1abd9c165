"""Sources: what other systems write, translated to `AccessEvent`. One file a source; `SOURCES` lists them."""
