# The HTTP service: docker build -t efficientfan . && docker run --rm -p 127.0.0.1:8000:8000 efficientfan
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY LICENSES LICENSES
COPY src src
RUN pip install --no-cache-dir --prefix /installed ".[serve]"

FROM python:3.13-slim
COPY --from=build /installed /usr/local
RUN useradd --system --uid 10001 --no-create-home efficientfan
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["efficientfan", "serve", "--host", "0.0.0.0", "--port", "8000"]
