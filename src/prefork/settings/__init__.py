"""Every setting: declared once, read from each source, checked, documented."""
