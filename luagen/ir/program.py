"""A whole policy as instructions."""

from __future__ import annotations

from dataclasses import dataclass

from luagen.ir.instructions import Instruction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    number: int  # 1-based place among the rules that are left; what the runtime resumes and logs by
    name: str
    place: str  # file:line of the policy
    code: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The rules that some hosts have beside the shared ones: `first` to `last`, none when that is less."""

    hosts: tuple[bytes, ...]  # each a host, `*.` and a domain, or `*`
    first: int
    last: int
    lets_through: bool  # what happens to a request that no rule decides


@dataclass(frozen=True, slots=True)
class Program:
    """The shared rules, then those of the sites in order."""

    rules: tuple[Rule, ...]
    sites: tuple[Site, ...] = ()

    @property
    def shared(self) -> tuple[Rule, ...]:
        """The rules that every request meets."""
        return self.rules[: self.sites[0].first - 1] if self.sites else self.rules

    def rules_of(self, site: Site) -> tuple[Rule, ...]:
        return self.rules[site.first - 1 : site.last]
