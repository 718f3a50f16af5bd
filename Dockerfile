# docs/deploy.md says how it is run. Nothing of the account is in the image: what it needs comes from the environment.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE requirements-dev.txt ./
COPY tools/ tools/
COPY prompts/ prompts/
COPY server/ server/
# Without hashes: pip would require one for the wheel that is built here, too.
RUN sed -E 's/ \\$//; /--hash=/d' requirements-dev.txt > constraints.txt \
    && pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/conferencing \
    && /opt/conferencing/bin/pip install --no-cache-dir --constraint constraints.txt \
        "$(echo /wheels/*.whl)[fast,postgresql]"

FROM python:3.13-slim
COPY --from=build /opt/conferencing /opt/conferencing
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data
ENV PATH=/opt/conferencing/bin:$PATH \
    HOME=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    TELNYX_CONFERENCING_TRANSPORT=http \
    TELNYX_CONFERENCING_HOST=0.0.0.0 \
    TELNYX_CONFERENCING_DATABASE=sqlite:////data/events.db
USER 10001:10001
VOLUME /data
EXPOSE 8484
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8484/healthz', timeout=4)"]
ENTRYPOINT ["telnyx-conferencing"]
CMD ["serve"]
