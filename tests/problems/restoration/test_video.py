"""Videos: generated clips, files, the frames between, and snapshots by priors of whole frames."""

import importlib.util

import pytest
import torch

from inverse_inr import Problem, SampledField, Solver, predict, priors
from inverse_inr.io import FileFormatError
from inverse_inr.problems.restoration import read_film, video, video_snapshot, write_film
from inverse_inr.problems.restoration.clips import moving_shapes
from inverse_inr.problems.restoration.video import between, blended, film_strip, write_clip
from inverse_inr.stopping import Never


def clip_of(problem: Problem) -> torch.Tensor:
    assert isinstance(problem.reference, SampledField)
    return problem.reference.values


HAS_AV = importlib.util.find_spec("av") is not None


def test_a_clip_is_known_at_every_time():
    clip = moving_shapes(4, 12, seed=3)
    assert clip.shape == (12, 12, 4, 3)
    assert 0 <= float(clip.min()) < float(clip.max()) <= 1
    torch.testing.assert_close(moving_shapes(4, 12, seed=3, offset=1.0)[:, :, :3], clip[:, :, 1:])
    assert float((clip[:, :, 0] - clip[:, :, 3]).abs().max()) > 0.05
    assert not torch.equal(moving_shapes(4, 12, seed=4), clip)


def test_a_gif_comes_back(tmp_path):
    clip = torch.zeros(6, 8, 3, 3)
    for k in range(3):
        clip[:, 2 * k : 2 * k + 2, k] = torch.tensor([1.0, 0.0, 0.0])
    again = read_film(str(write_film(tmp_path / "a.gif", clip)))
    torch.testing.assert_close(again, clip, rtol=0, atol=0.02)


@pytest.mark.skipif(HAS_AV, reason="PyAV is installed here")
def test_an_mp4_without_pyav_says_what_to_install(tmp_path):
    with pytest.raises(ImportError, match=r"needs PyAV: pip install 'inverse-inr\[video\]'"):
        write_film(tmp_path / "a.mp4", torch.zeros(6, 8, 3, 3))
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.skipif(not HAS_AV, reason="needs PyAV: pip install 'inverse-inr[video]'")
def test_an_mp4_comes_back(tmp_path):
    clip = moving_shapes(4, 32, seed=1)
    again = read_film(str(write_film(tmp_path / "a.mp4", clip)))
    assert again.shape == clip.shape
    assert float((again - clip).abs().mean()) < 0.05


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("a.gif", b"GIF89a", "cannot be read"), ("a.png", b"x", "a video is a .gif")],
)
def test_files_that_are_no_videos_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_film(str(tmp_path / name))


def test_each_nth_frame_is_known_and_a_blend_is_linear():
    problem = video(frames=7, size=8, every=3)
    assert between(problem).tolist() == [1, 2, 4, 5]
    clip = clip_of(problem)
    seen = blended(problem).sample(problem.grid)
    torch.testing.assert_close(seen[:, :, 1], (2 * clip[:, :, 0] + clip[:, :, 3]) / 3)
    torch.testing.assert_close(seen[:, :, 6], clip[:, :, 6])
    with pytest.raises(ValueError, match="keeps fewer than two"):
        video(frames=4, size=8, every=5)


def test_a_fit_is_drawn_and_written_with_frames_between(tmp_path):
    problem = video(frames=4, size=8)
    solution = Solver(problem, steps=2).run()
    assert film_strip(problem, [solution]).axes
    (path,) = write_clip(solution, tmp_path)
    assert read_film(str(path)).shape == (8, 8, 8, 3)


@pytest.mark.slow
def test_a_snapshot_is_fitted_by_whole_frames():
    problem = video_snapshot(frames=3, bin=16, crop=16)
    size = problem.grid.shape[:2]
    prior = priors.hinerv(problem.box, size=size, times=3, blocks=2, width=8, bandwidth=0.5)
    term = problem.terms[0]

    def misfit() -> float:
        with torch.no_grad():
            return float((predict(term.operator, prior) - term.y).square().mean())

    before = misfit()
    Solver(problem, prior, steps=20, lr=5e-3, regularizers=(), stopping=Never()).run()
    assert misfit() < 0.5 * before


@pytest.mark.slow
def test_thirty_decibels_in_a_tenth_of_the_bytes():
    from inverse_inr import codec

    problem = video(seed=11)
    solution = Solver(problem, steps=900).run()
    data = codec.encode(solution, bits_per_sample=2.4, finish=0)
    clip = clip_of(problem)
    assert len(data) <= clip.numel() / 10
    error = (codec.decode_image(data) - clip).square().mean()
    assert float(-10 * error.log10()) > 29
