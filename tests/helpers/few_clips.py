"""Clips take longer to generate than two steps do: options for fewer of them, by experiment."""

FEW = {"objects": ["data.of.clips=40"]} | {name: ["data.clips=64"] for name in ("next_clip", "video_dag", "video_mae")}
