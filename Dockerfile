# An image for CPUs:
#     docker build -t semanticmac .
# One for NVIDIA GPUs:
#     docker build -t semanticmac:cuda --build-arg BASE=nvidia/cuda:12.6.3-runtime-ubuntu24.04 .
# The package index decides which build of torch is installed. Another index, such as one of builds
# for CPUs alone, which are a tenth of the size: --build-arg PIP_EXTRA_INDEX_URL=…
ARG BASE=ubuntu:24.04
FROM ${BASE}

RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/semanticmac
COPY LICENSE README.md constraints.txt pyproject.toml ./
COPY __init__.py api.py cli.py core.py errors.py hub.py inference.py py.typed ./
COPY cache/ cache/
COPY commands/ commands/
COPY eval/ eval/
COPY model/ model/
COPY preprocess/ preprocess/
COPY run/ run/
COPY serve/ serve/
COPY timeline/ timeline/
COPY train/ train/

ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1
RUN python3 -m venv .venv
RUN .venv/bin/python -m pip install -c constraints.txt '.[report,serve]'

# The program runs without rights of the administrator; mount runs/ and data/ below /srv.
RUN useradd --create-home --uid 10001 semanticmac \
    && mkdir -p /srv/data /srv/runs \
    && chown -R semanticmac /srv
USER semanticmac
WORKDIR /srv
ENV PATH=/opt/semanticmac/.venv/bin:$PATH
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=5)"]
ENTRYPOINT ["semanticmac"]
# It asks for the variable SEMANTICMAC_TOKEN.
CMD ["serve", "--host", "0.0.0.0"]
