"""Measuring ends when its visitor moves on, and only that visitor's."""

from viz.settling import MOST, Settling


def test_a_new_start_stops_the_last_of_the_same_visitor_and_kind():
    settling = Settling()
    first, other, report = settling.start("ann"), settling.start("bob"), settling.start("ann", "r")
    second = settling.start("ann")
    assert first.is_set() and not second.is_set()
    assert not other.is_set() and not report.is_set()
    settling.stop("ann")
    assert second.is_set() and not report.is_set()
    settling.stop("nobody")


def test_events_of_visitors_who_left_do_not_pile_up():
    settling = Settling()
    events = [settling.start(str(i)) for i in range(MOST + 5)]
    settling.stop("0")
    assert not events[0].is_set()
    settling.stop(str(MOST))
    assert events[MOST].is_set()
