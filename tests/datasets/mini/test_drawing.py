import numpy as np
import pytest
from PIL import Image

from mmbench.datasets.mini.drawing import Canvas, closed, curve, ellipse, moved

RED, BLUE, WHITE = (200, 0, 0), (0, 0, 200), (255, 255, 255)


def share(picture, colour=RED):
    """How much of a picture on white a colour covers, part of a pixel counted in part."""
    picture = picture.astype(float)
    gone = (255 - picture).sum(-1)
    return gone.sum() / (3 * 255 - sum(colour)) / gone.size


@pytest.mark.parametrize("pixels", [16, 32, 64, 200])
def test_areas_do_not_depend_on_the_resolution(pixels):
    canvas = Canvas(pixels)
    canvas.fill(ellipse((0.5, 0.4), (0.3, 0.2)), RED)
    assert canvas.picture().shape == (pixels, pixels, 3)
    assert canvas.picture().dtype == np.uint8
    assert share(canvas.picture()) == pytest.approx(np.pi * 0.3 * 0.2, rel=0.05)
    dark = 255 - canvas.picture()[..., 1].astype(float)
    rows, columns = np.mgrid[:pixels, :pixels] + 0.5
    assert (dark * columns).sum() / dark.sum() == pytest.approx(0.5 * pixels, abs=0.03)
    assert (dark * rows).sum() / dark.sum() == pytest.approx(0.4 * pixels, abs=0.03)


def test_edges_are_smooth():
    canvas = Canvas(64)
    canvas.fill(ellipse((0.5, 0.5), (0.3, 0.3)), (0, 0, 0))
    levels = np.unique(canvas.picture())
    assert 10 < len(levels) <= 17  # 16 parts of a pixel


def test_a_shape_within_another():
    canvas = Canvas(64)
    left = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]
    canvas.fill(ellipse((0.5, 0.5), (0.3, 0.3)), RED, within=left)
    picture = canvas.picture()
    assert (picture[:, 33:] == 255).all() and (picture[32, 16:31] == RED).all()
    before = picture.copy()
    canvas.fill(ellipse((0.2, 0.2), (0.1, 0.1)), BLUE, within=ellipse((0.8, 0.8), (0.1, 0.1)))
    assert np.array_equal(canvas.picture(), before)  # they do not meet


@pytest.mark.parametrize("within", [None, [(0, 0), (1, 0), (1, 1), (0, 1)]])
def test_opacity_blends(within):
    canvas = Canvas(8, WHITE)
    canvas.fill([(0, 0), (1, 0), (1, 1), (0, 1)], (*RED, 128), within)
    assert np.abs(canvas.picture()[4, 4].astype(int) - (227, 127, 127)).max() <= 1


def test_a_stroke_has_its_width_and_round_ends():
    canvas = Canvas(100)
    canvas.stroke([(0.2, 0.5), (0.8, 0.5)], 0.1, RED)
    assert share(canvas.picture()) == pytest.approx(0.6 * 0.1 + np.pi * 0.05**2, rel=0.08)
    assert (canvas.picture()[:, 10] == 255).all()


def test_shades_run_from_top_to_bottom():
    canvas = Canvas(64)
    canvas.shade((0, 0, 0), (200, 100, 0), 0.5, 1)
    picture = canvas.picture()
    assert (picture[:32] == 255).all()
    assert picture[32].max() < 8 and np.abs(picture[-1, 0].astype(int) - (200, 100, 0)).max() < 8
    assert (np.diff(picture[32:, 0, 0].astype(int)) >= 0).all()
    canvas.shade(RED, BLUE, 0.7, 0.7)  # nothing to fill
    assert np.array_equal(canvas.picture(), picture)


def test_what_lies_outside_is_cut_off():
    canvas = Canvas(32)
    canvas.fill(ellipse((0, 0.5), (0.2, 0.2)), RED)
    canvas.stroke([(-1, 0.9), (2, 0.9)], 0.05, BLUE)
    canvas.shade(WHITE, WHITE, 0.95, 1.5)
    assert share(canvas.picture()[:24]) * 0.75 == pytest.approx(np.pi * 0.2**2 / 2, rel=0.1)


def test_smooth_curves_pass_through_their_points():
    points = np.array([(0.1, 0.2), (0.7, 0.1), (0.9, 0.8), (0.3, 0.7)])
    assert np.allclose(closed(points, 6)[::6], points) and len(closed(points, 6)) == 24
    assert np.allclose(curve(points, 6)[::6], points) and len(curve(points, 6)) == 19
    steps = np.linalg.norm(
        np.diff(closed(points, 20), axis=0, append=closed(points, 20)[:1]), axis=1
    )
    assert steps.max() < 0.1  # it is closed, and nowhere jumps


def test_moving_scales_turns_and_shifts():
    assert np.allclose(moved([(1, 0)], 2, np.pi / 2, (0.5, 0.5)), [(0.5, 2.5)])  # clockwise
    assert np.allclose(moved([(1, 1)], (2, -1)), [(2, -1)])
    assert np.allclose(ellipse((0, 0), (2, 1), np.pi / 2)[0], (0, 2))


def test_a_larger_picture_is_the_same_picture():
    def draw(pixels):
        canvas = Canvas(pixels, WHITE)
        canvas.fill(closed([(0.2, 0.3), (0.6, 0.2), (0.8, 0.7), (0.3, 0.8)]), RED)
        canvas.stroke(curve([(0.1, 0.9), (0.5, 0.6), (0.9, 0.9)]), 0.04, BLUE)
        return Image.fromarray(canvas.picture())

    small = np.asarray(draw(128).resize((32, 32), Image.Resampling.BOX)).astype(int)
    assert np.abs(small - np.asarray(draw(32)).astype(int)).mean() < 3  # of 255
