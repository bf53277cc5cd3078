// SPDX-License-Identifier: Apache-2.0
#include "parallel/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace cairn::parallel {
namespace {

// How many units of the same core come before this one.
std::ptrdiff_t ThreadOf(const Machine& machine, const Unit& unit) {
  return std::ranges::count_if(machine.units, [&](const Unit& other) {
    return other.core == unit.core && other.cpu < unit.cpu;
  });
}

std::vector<int> FirstThreadsFirst(const Machine& machine, const std::vector<Unit>& units) {
  std::vector<std::pair<std::ptrdiff_t, int>> keys;
  keys.reserve(units.size());
  for (const Unit& unit : units) keys.emplace_back(ThreadOf(machine, unit), unit.cpu);
  std::ranges::sort(keys);
  std::vector<int> cpus;
  cpus.reserve(keys.size());
  for (const auto& [thread, cpu] : keys) cpus.push_back(cpu);
  return cpus;
}

int NodeOf(const std::vector<Unit>& units) {
  const bool one =
      std::ranges::all_of(units, [&](const Unit& unit) { return unit.node == units.front().node; });
  return one ? units.front().node : -1;
}

}  // namespace

Result<Target> Target::Create(const Machine& machine, std::vector<int> cpus) {
  if (cpus.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "a target needs at least one processing unit");
  }
  std::vector<Unit> units;
  for (const int cpu : cpus) {
    const auto found = std::ranges::find(machine.units, cpu, &Unit::cpu);
    if (found == machine.units.end()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("processing unit {} is not one of the {} units that may be used", cpu,
                              machine.units.size()));
    }
    if (std::ranges::find(units, cpu, &Unit::cpu) != units.end()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("processing unit {} is named twice in a target", cpu));
    }
    units.push_back(*found);
  }
  return Target(std::move(cpus), NodeOf(units));
}

bool Target::operator==(const Target& other) const {
  return std::ranges::is_permutation(cpus_, other.cpus_);
}

std::vector<Target> NumaDomains(const Machine& machine) {
  std::map<int, std::vector<Unit>> nodes;
  for (const Unit& unit : machine.units) nodes[unit.node].push_back(unit);
  std::vector<Target> targets;
  targets.reserve(nodes.size());
  for (const auto& [node, units] : nodes) {
    targets.push_back(Target(FirstThreadsFirst(machine, units), node));
  }
  return targets;
}

std::vector<Target> EachUnit(const Machine& machine) {
  std::vector<Target> targets;
  targets.reserve(machine.units.size());
  for (const Unit& unit : machine.units) targets.push_back(Target({unit.cpu}, unit.node));
  return targets;
}

std::vector<Target> WholeMachine(const Machine& machine) {
  if (machine.units.empty()) return {};
  return {Target(FirstThreadsFirst(machine, machine.units), NodeOf(machine.units))};
}

}  // namespace cairn::parallel
