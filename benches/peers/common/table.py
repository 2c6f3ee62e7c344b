"""The end of every comparison: one line per measure, with ours, the peer's and their ratio."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass
class Measure:
    """One quantity, sampled from both programs in turn."""

    name: str
    higher_is_better: bool = True
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Median against median; above 1 our program is better."""
        ours, peer = statistics.median(self.ours), statistics.median(self.peer)
        better, worse = (ours, peer) if self.higher_is_better else (peer, ours)
        return better / worse if worse else float("inf")

    def spread(self) -> float:
        """The wider of the two ranges, as a share of its median."""
        return max((max(samples) - min(samples)) / statistics.median(samples) for samples in (self.ours, self.peer))

    def as_json(self) -> dict:
        """The medians, their ratio and every sample."""
        return {
            "name": self.name,
            "ours": statistics.median(self.ours),
            "peer": statistics.median(self.peer),
            "ratio": self.ratio,
            "higher_is_better": self.higher_is_better,
            "ours_samples": self.ours,
            "peer_samples": self.peer,
        }


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def render(measures: list[Measure]) -> str:
    """The measures as aligned lines: name, ours, peer's, ratio."""
    rows = [(m.name, _number(statistics.median(m.ours)), _number(statistics.median(m.peer)), f"{m.ratio:.2f}") for m in measures]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    return "\n".join(
        f"{name:<{widths[0]}}  {ours:>{widths[1]}}  {peer:>{widths[2]}}  {ratio:>{widths[3]}}" for name, ours, peer, ratio in rows
    )
