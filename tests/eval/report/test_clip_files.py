from teamvla_eval.report.clip_files import choose_episodes, read_clips, write_clip
from teamvla_eval.report.videos import Clip

from tests.eval.episodes import GOALS, make_results, make_suite


def test_successes_and_failures_are_shown():
    chosen = choose_episodes(make_suite("learned", 8, 4).records, count=5, failures=2)
    assert [record.success for record in chosen] == [True, True, True, False, False]
    assert {record.goal for record in chosen[:3]} == set(GOALS)


def test_the_other_kind_fills_up_where_one_is_short():
    assert len(choose_episodes(make_suite("learned", 10, 0).records, count=5, failures=2)) == 5
    assert len(choose_episodes(make_suite("learned", 0, 10).records, count=5, failures=2)) == 5
    assert len(choose_episodes(make_suite("learned", 1, 2).records, count=5, failures=2)) == 3


def test_written_clips_are_found_again_successes_first(tmp_path):
    suite = make_suite("learned", 2, 2)
    for record in reversed(suite.records[1:]):
        write_clip(tmp_path / "videos", Clip("learned", record, bytes([record.seed % 256])))
    (tmp_path / "videos" / "learned_7.mp4").write_bytes(b"of another run")
    clips = read_clips(tmp_path / "videos", make_results(suite))
    assert [clip.episode for clip in clips] == list(suite.records[1:])
    assert clips[0].mp4 == bytes([suite.records[1].seed % 256])


def test_no_folder_means_no_clips(tmp_path):
    assert read_clips(tmp_path / "videos", make_results(make_suite("learned", 1, 0))) == []
