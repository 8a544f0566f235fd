"""prefork's pool beside other pools of Python and of Node, in one run."""
