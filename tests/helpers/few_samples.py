"""Options for fewer samples, by experiment: to generate or to score them takes longer than two steps do."""

CLIPS = {name: ["data.clips=64"] for name in ("next_clip", "video_dag", "video_mae")}
FEW = {"objects": ["data.of.clips=40"], "curated": ["data.samples=200"], **CLIPS}
