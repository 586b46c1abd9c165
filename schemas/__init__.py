"""What travels: typed records of every topic, their codecs, and the sources that translate other systems' records."""
