"""`/metrics`: the numbers of the status page as Prometheus reads them, without a database or a login.

They are made anew at each request from what all processes share, so any web process gives the same. What does not
answer within WAIT_SECONDS is left out rather than repeated: Prometheus keeps the past itself. The names are those of
the apps' sections (`tracking/status/sections.py`), beside tracking_dependency_up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from tracking.status import sections as status
from tracking.status.survey import Section, gather
from tracking.web.networks import limited

WAIT_SECONDS = 1.0  # a scrape may take 10 s by default, and a slow answer must not look like an outage

_FAMILIES: dict[str, type[GaugeMetricFamily] | type[CounterMetricFamily]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
}


class Sections(Collector):
    """The metrics of sections that have answered."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self._sections = sections

    def collect(self) -> Iterator[Metric]:
        """All families, none twice."""
        yield _family(_dependencies(self._sections))
        for section in self._sections:
            if section.answered:
                yield from map(_family, section.answer["metrics"])


@never_cache
@require_safe
@limited
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text, or OpenMetrics where the client asks for it."""
    registry = CollectorRegistry()
    registry.register(Sections(gather(WAIT_SECONDS)))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)


def _dependencies(sections: Iterable[Section]) -> status.Metric:
    samples = (
        ({"name": section.dependency}, float(section.answered and section.state != "down"))
        for section in sections
        if section.dependency
    )
    return status.gauge("tracking_dependency_up", "1 where the server answers and can be used, else 0.", samples)


def _family(metric: status.Metric) -> Metric:
    labels = sorted(metric["samples"][0]["labels"]) if metric["samples"] else []
    family = _FAMILIES[metric["type"]](metric["name"], metric["help"], labels=labels)
    for sample in metric["samples"]:
        family.add_metric([sample["labels"][label] for label in labels], sample["value"])
    return family
