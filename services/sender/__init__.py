"""Sends what intake may not send itself: signed webhooks, and e-mail to staff that says only "something is new".

A small program of its own, `python -m services.sender`: it fetches events without content from intake's internal port,
keeps them in a file until they are delivered, and holds no login of any database and no key that opens anything.
"""
