"""The statistics of variants, next to the textbook's formulas worked out here."""

from math import erfc, sqrt

import pytest

from include.exports.campaigns.comparison import Group, chi_square, interval, winner

Z = 1.959963984540054
"""The normal distribution's quantile of 0.975."""


def pearson(*groups: Group) -> float:
    """The sum of squared differences from what is expected, each divided by that."""
    converted, size = sum(group.converted for group in groups), sum(group.size for group in groups)
    total = 0.0
    for group in groups:
        for found, share in ((group.converted, converted / size), (group.size - group.converted, 1 - converted / size)):
            expected = group.size * share
            total += (found - expected) ** 2 / expected
    return total


@pytest.mark.parametrize(("converted", "size"), [(10, 100), (0, 40), (40, 40), (137, 9001), (1, 3)])
def test_the_interval_is_wilsons(converted, size):
    rate = converted / size
    middle, spread = rate + Z**2 / (2 * size), Z * sqrt(rate * (1 - rate) / size + Z**2 / (4 * size**2))
    low, high = ((middle + sign * spread) / (1 + Z**2 / size) for sign in (-1, 1))
    assert interval(Group(size=size, converted=converted)) == pytest.approx((max(low, 0), min(high, 1)), abs=1e-12)


def test_two_variants_are_compared_by_pearsons_chi_square_without_correction():
    groups = [Group(size=1000, converted=100), Group(size=1000, converted=130)]
    found = chi_square(groups)
    assert (found.chi_square, found.freedom) == (
        pytest.approx(2000 * (100 * 870 - 130 * 900) ** 2 / (230 * 1770 * 1000**2)),
        1,
    )
    assert found.chi_square == pytest.approx(pearson(*groups))
    assert found.p == pytest.approx(erfc(sqrt(found.chi_square / 2)))


def test_three_variants_have_two_degrees_of_freedom():
    groups = [Group(size=500, converted=50), Group(size=400, converted=60), Group(size=300, converted=20)]
    found = chi_square(groups)
    assert found.chi_square == pytest.approx(pearson(*groups))
    assert found.freedom == 2
    assert found.p == pytest.approx(2.718281828459045 ** (-found.chi_square / 2)), "of two degrees it is exponential"


def test_too_few_are_not_tested():
    assert chi_square([Group(size=100, converted=4), Group(size=100, converted=5)]) is None
    assert chi_square([Group(size=100, converted=96), Group(size=100, converted=95)]) is None
    assert chi_square([Group(size=100, converted=10)]) is None
    assert chi_square([Group(size=100, converted=5), Group(size=100, converted=5)]).p == 1


def test_more_conversions_than_people_are_no_share():
    many = Group(size=10, converted=12)
    assert (many.rate, interval(many), chi_square([many, Group(size=100, converted=50)])) == (1.2, None, None)
    assert Group(size=0, converted=0).rate is None


def test_the_winner_beats_each_other_one():
    best, second, worst = (Group(size=1000, converted=converted) for converted in (150, 145, 50))
    assert winner([worst, best]) == 1
    assert winner([worst, best, second]) is None
    assert winner([best]) is None
