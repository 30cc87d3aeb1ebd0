"""The HTTP client that the command line and the tests share.

It holds the keys and opens nothing it has not checked: a server that lies is refused, not believed.
"""
