# Stands in for python:3.13-slim-trixie: Debian trixie with its own Python 3.13, and the locked wheels at hand, since a
# build here reaches no package index. pip still checks every hash of requirements.lock.
FROM adal-verify/trixie
RUN ln -s /usr/bin/python3 /usr/local/bin/python
COPY wheels /wheels
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_DISABLE_PIP_VERSION_CHECK=1
