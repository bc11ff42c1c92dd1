"""A Python process on a server that carries out module after module, so that none of them has to start one."""
