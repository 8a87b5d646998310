PYTESTS += tests/replay_real/test_replay_recordings.py
