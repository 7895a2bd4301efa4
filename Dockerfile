# syntax=docker/dockerfile:1
# Builds one image for everything: `gridlore serve` by default, any other command of gridlore as well.
#     docker build --tag gridlore:0.1.0 .
# Nothing secret belongs in here: settings come as environment variables when it runs (docs/operations.md).

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock ./
RUN pip wheel --no-deps --wheel-dir /wheels --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip wheel --no-deps --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/gridlore \
    && pip --python /opt/gridlore/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim-bookworm
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/gridlore /opt/gridlore
ENV PATH=/opt/gridlore/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GRIDLORE_HOST=0.0.0.0 \
    GRIDLORE_DATABASE_URL=sqlite:////data/gridlore.db \
    GRIDLORE_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; live = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('GRIDLORE_PORT', '5000')), timeout=4); live.request('GET', '/health/live'); sys.exit(live.getresponse().status != 200)"]
ENTRYPOINT ["gridlore"]
CMD ["serve"]
