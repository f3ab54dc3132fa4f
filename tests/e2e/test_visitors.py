"""Twenty visitors drag at once: nobody sees a number of somebody else's merge."""

from concurrent.futures import ThreadPoolExecutor

from tests.e2e.app_fixture import App
from tests.visitors import Visitor

VISITORS, MOVES = 20, 3


def test_twenty_visitors_who_drag_at_once_see_their_own_merges(zoo_app: App) -> None:
    """Recipe, digest and scores of every answer are those of the visitor's own draft."""

    def drag(number: int) -> Visitor:
        visitor = Visitor(zoo_app.url, number)
        for _ in range(MOVES):
            answer = visitor.move()
            assert "error" not in answer, answer["error"]
            assert visitor.weights(answer) == visitor.own_weights()
            assert visitor.draft["method"] in answer["text"]
        return visitor

    with ThreadPoolExecutor(VISITORS) as pool:
        visitors = list(pool.map(drag, range(VISITORS)))
    digests = [answer["digest"] for visitor in visitors for answer in visitor.answers]
    assert len(set(digests)) == VISITORS * MOVES
    for visitor in visitors[:4]:
        # Asked again with nobody else around, the last answer is the same.
        alone = visitor.look("preview")
        assert alone["digest"] == visitor.answers[-1]["digest"]
        assert alone["panels"]["tasks"] == visitor.answers[-1]["panels"]["tasks"]


def test_a_visitor_at_rest_is_measured_while_others_drag(zoo_app: App) -> None:
    """Full validation ends although there is always somebody's drag to answer first."""
    resting = Visitor(zoo_app.url, 100)
    others = [Visitor(zoo_app.url, 101 + i) for i in range(6)]
    resting.move()
    done = []

    def drag(visitor: Visitor) -> None:
        while not done:
            visitor.move()

    with ThreadPoolExecutor(len(others)) as pool:
        for visitor in others:
            pool.submit(drag, visitor)
        try:
            answer = resting.look("settle")
        finally:
            done.append(True)
    assert "error" not in answer and answer["reference"] == answer["digest"]
