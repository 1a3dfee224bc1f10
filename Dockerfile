# Ordertide in a container: the API by default, anything else by its command.
#   docker build -t ordertide .
#   docker run -p 8000:8000 --stop-timeout 90 -v ordertide:/var/lib/ordertide ordertide
# That is with the embedded PostgreSQL. Docker kills after 10 s unless told otherwise, but requests under way have 15 s
# to end, and PostgreSQL has a minute to write its files. Another port inside: -e ORDERTIDE_PORT=9000.
# compose.yaml runs it as one would deploy it.

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/ordertide
# Before the source, so that a change of it does not install everything again.
COPY requirements/run.txt requirements/run.txt
RUN /opt/ordertide/bin/pip install --require-hashes --no-deps -r requirements/run.txt
COPY . .
RUN /opt/ordertide/bin/pip install --no-build-isolation --no-deps .

FROM python:3.13-slim-bookworm
# PostgreSQL, when embedded, refuses to run as root; and nothing here needs to be root.
RUN groupadd --system --gid 10001 ordertide \
    && useradd --system --uid 10001 --gid ordertide --no-create-home --shell /usr/sbin/nologin ordertide \
    && install -d -o ordertide -g ordertide /var/lib/ordertide
COPY --from=build /opt/ordertide /opt/ordertide
ENV PATH=/opt/ordertide/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ORDERTIDE_HOME=/var/lib/ordertide \
    ORDERTIDE_HOST=0.0.0.0
USER ordertide
WORKDIR /var/lib/ordertide
VOLUME /var/lib/ordertide
EXPOSE 8000
STOPSIGNAL SIGTERM
# In a shell, which knows the port that the container was started with.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 \
    CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:${ORDERTIDE_PORT:-8000}/readyz', timeout=9)"
ENTRYPOINT ["ordertide"]
CMD ["serve"]
