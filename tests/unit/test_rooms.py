"""Room is lent to one owner at a time, and to another one afterwards."""

from merger.kernels.rooms import Rooms


class Owner:
    """Something that lives for a while."""


def test_room_is_lent_again_when_its_owner_is_gone() -> None:
    rooms, first, second = Rooms(), Owner(), Owner()
    lent, other = rooms.lend(100, first), rooms.lend(100, second)
    lent[:], other[:] = 1, 2
    assert not (lent == other).any()
    place = lent.ctypes.data
    del first
    third = Owner()
    again = rooms.lend(60, third)
    assert len(again) == 60 and again.ctypes.data == place
    again[:] = 3
    assert (other == 2).all()


def test_the_smallest_room_that_is_large_enough_is_lent() -> None:
    rooms = Rooms()
    owners = [Owner() for _ in range(3)]
    sizes = (300, 100, 200)
    places = {size: rooms.lend(size, o).ctypes.data for size, o in zip(sizes, owners, strict=True)}
    del owners
    keeper = Owner()
    assert rooms.lend(150, keeper).ctypes.data == places[200]
    assert rooms.lend(150, keeper).ctypes.data == places[300]


def test_what_is_too_small_makes_way() -> None:
    rooms, owner = Rooms(), Owner()
    rooms.lend(100, owner)
    del owner
    large = Owner()
    assert len(rooms.lend(1000, large)) == 1000
    assert rooms._free == []
