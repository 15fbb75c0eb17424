"""Endpoints: how a model is reached, in process or over HTTP, and asked for valid calls."""

from bridle.endpoints.base import Answer, Endpoint, Request, Sampling, Supports
from bridle.endpoints.connect import connect
from bridle.endpoints.respond import respond

__all__ = ["Answer", "Endpoint", "Request", "Sampling", "Supports", "connect", "respond"]
