"""The command `adal`: report, read answers, work on cases, keep keys, check the log. It talks HTTP like any client."""
