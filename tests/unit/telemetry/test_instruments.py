"""Counting cheaply, and telling it as Prometheus' own library would."""

import threading

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from structlog.testing import capture_logs

from services.telemetry.declarations import Buckets, counter, gauge, histogram
from services.telemetry.instruments import Distribution, Metrics

CALLS = counter("expart_test_calls_total", "Calls.", "method")
SECONDS = histogram("expart_test_seconds", "Seconds.", "method", bounds=(0.5, 1.0, 2.0))
ROOM = gauge("expart_test_room", "Room.", "lane")


def told(metrics: Metrics) -> str:
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry).decode()


def test_counts_go_up_from_0_by_their_labels() -> None:
    metrics = Metrics()
    calls = metrics.counter(CALLS)
    calls.begin("Score")
    calls.add("Score")
    calls.add("Score", amount=2.5)
    calls.begin("Score")  # which changes nothing any more
    calls.begin("List")
    assert metrics.values(CALLS) == {("Score",): 3.5, ("List",): 0.0}


def test_a_declaration_has_one_counter_whoever_asks_for_it() -> None:
    metrics = Metrics()
    assert metrics.counter(CALLS) is metrics.counter(CALLS)
    assert metrics.distribution(SECONDS) is metrics.distribution(SECONDS)
    metrics.counter(CALLS).add("Score")
    assert told(metrics).count("# TYPE expart_test_calls_total") == 1


def test_several_may_tell_series_of_one_metric() -> None:
    metrics = Metrics()
    metrics.watch(ROOM, lambda: {("single",): 1})
    metrics.watch(ROOM, lambda: {("stream",): 2})
    assert metrics.values(ROOM) == {("single",): 1, ("stream",): 2}


def test_a_value_on_a_bound_falls_below_it() -> None:
    seconds = Distribution((0.5, 1.0))
    for value in (0.5, 0.500001, 1.0, 7.0):
        seconds.observe(value, "Score")
    # Of the four, one is at most 0.5, three are at most 1, all are at most infinity.
    assert seconds.values() == {
        ("Score",): Buckets((("0.5", 1), ("1.0", 3), ("+Inf", 4)), 0.5 + 0.500001 + 1.0 + 7.0)
    }


@given(st.lists(st.floats(0, 10)))
def test_a_distribution_is_told_as_prometheus_own_histogram_is(durations_s: list[float]) -> None:
    metrics, registry = Metrics(), CollectorRegistry()
    ours = metrics.distribution(SECONDS)
    theirs = Histogram(
        SECONDS.name, SECONDS.help, SECONDS.labels, buckets=SECONDS.bounds, registry=registry
    )
    for duration_s in durations_s:
        ours.observe(duration_s, "Score")
        theirs.labels("Score").observe(duration_s)
    expected = generate_latest(registry).decode()
    # Theirs also tells when each series began.
    lines = [line for line in expected.splitlines() if "_created" not in line]
    assert told(metrics).splitlines() == lines


def test_what_cannot_be_read_is_logged_and_hides_no_other() -> None:
    metrics = Metrics()
    metrics.watch(ROOM, lambda: {("single",): 1 / 0})
    metrics.counter(CALLS).add("Score")
    with capture_logs() as events:
        text = told(metrics)
    assert 'expart_test_calls_total{method="Score"} 1.0' in text
    assert "expart_test_room" not in text
    assert [(event["event"], event["metric"]) for event in events] == [
        ("metric_not_read", ROOM.name)
    ]


def test_scrapes_and_counting_do_not_disturb_each_other() -> None:
    metrics = Metrics()
    calls, seconds = metrics.counter(CALLS), metrics.distribution(SECONDS)
    failures: list[BaseException] = []
    done = threading.Event()

    def scrape() -> None:
        try:
            while not done.is_set():
                told(metrics)
        except BaseException as error:  # noqa: BLE001 - the test reports whatever it is
            failures.append(error)

    scraping = threading.Thread(target=scrape)
    scraping.start()
    for number in range(3000):  # new series all the time, which change the dictionaries
        calls.add(str(number))
        seconds.observe(number, str(number % 100))
    done.set()
    scraping.join()
    assert failures == []
    assert len(metrics.values(CALLS)) == 3000
