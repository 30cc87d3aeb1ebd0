"""The notifier: a program of its own that tells reporters that there is something new.

It fetches sealed addresses from intake's internal port, opens them with a key that nobody else has, and sends a fixed
text by e-mail after a random delay. It knows no report, keeps no address on a disk, and logs none. Intake, which knows
the reports, cannot open an address.
"""
