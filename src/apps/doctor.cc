// SPDX-License-Identifier: Apache-2.0
// cairn doctor: what this machine has, what it lacks, and what to do about it.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <thread>
#include <vector>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/text.h"
#include "engine/machine.h"
#include "model/package_fetcher.h"
#include "parallel/team.h"

namespace cairn::apps {
namespace {

struct DoctorOptions {
  bool json = false;
};

enum class State { kGood, kHint, kProblem };

struct Finding {
  std::string name;
  State state = State::kGood;
  std::string found;
  std::string advice;  // what to do; empty: nothing
};

// The text after `key` and its colon in a file of the kernel's, or nothing.
std::string FieldOf(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return {};
}

std::string FirstLine(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

Finding Machine() {
  utsname system{};
  uname(&system);
  const std::string cpu = FieldOf("/proc/cpuinfo", "model name");
  return {"machine", State::kGood,
          fmt::format("{} ({}), Linux {}", cpu.empty() ? "unknown processor" : cpu, system.machine,
                      system.release),
          ""};
}

Finding Cores() {
  const int usable = parallel::UsableCores();
  std::vector<int> processors(std::max(1u, std::thread::hardware_concurrency()));
  std::iota(processors.begin(), processors.end(), 0);
  const int all = static_cast<int>(parallel::ReadTopology("", processors).cores.size());
  Finding finding{"cores", State::kGood, fmt::format("{} usable of {}", usable, all), ""};
  if (usable < all) {
    finding.state = State::kHint;
    finding.advice =
        "an affinity mask (taskset) or a CPU quota of the container holds the others "
        "back";
  }
  return finding;
}

Finding InstructionSets() {
  std::string names;
  for (const kernels::Isa isa : kernels::AvailableIsas()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", kernels::IsaName(isa));
  }
  const auto chosen = ChosenIsa();
  if (!chosen) {
    return {"instructions", State::kProblem, names,
            fmt::format("{}; unset CAIRN_ISA", chosen.error().message)};
  }
  Finding finding{"instructions", State::kGood,
                  fmt::format("{} (used: {})", names, kernels::IsaName(*chosen)), ""};
  if (*chosen != kernels::AvailableIsas().back()) {
    finding.state = State::kHint;
    finding.advice = "CAIRN_ISA forces a slower one than this machine has";
  } else if (*chosen == kernels::Isa::kPortable) {
    finding.state = State::kHint;
    finding.advice =
        "without AVX2 (x86) or dot products (ARMv8.2) everything works, many times slower";
  }
  return finding;
}

Finding Memory() {
  const std::uint64_t available = engine::AvailableMemoryBytes();
  const std::string limit = FirstLine("/sys/fs/cgroup/memory.max");
  const bool limited = !limit.empty() && limit != "max";
  const auto total = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                     static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  Finding finding{"memory", State::kGood,
                  fmt::format("{} of {} can be had", HumanBytes(available), HumanBytes(total)), ""};
  if (limited) {
    finding.found += fmt::format(", limit of the container {}",
                                 HumanBytes(std::strtoull(limit.c_str(), nullptr, 10)));
  }
  constexpr std::uint64_t kLittle = std::uint64_t{500} * 1000 * 1000;
  if (available > 0 && available < kLittle) {
    finding.state = State::kProblem;
    finding.advice = "too little for the smallest model; end other programs or raise the limit";
  }
  return finding;
}

Finding HugePages() {
  const std::string setting = FirstLine("/sys/kernel/mm/transparent_hugepage/enabled");
  const std::size_t open = setting.find('[');
  if (setting.empty() || open == std::string::npos) {
    return {"huge pages", State::kHint, "not offered by this kernel",
            "nothing must be done; large models run a few per cent faster with them"};
  }
  const std::string mode = setting.substr(open + 1, setting.find(']') - open - 1);
  Finding finding{"huge pages", State::kGood, "transparent: " + mode, ""};
  if (mode == "never") {
    finding.state = State::kHint;
    finding.advice =
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, as root, may "
        "gain a few per cent";
  }
  return finding;
}

std::string LimitText(rlim_t value, bool bytes) {
  if (value == RLIM_INFINITY) return "unlimited";
  return bytes ? HumanBytes(value) : fmt::format("{}", value);
}

Finding Limits() {
  rlimit files{}, locked{}, space{};
  getrlimit(RLIMIT_NOFILE, &files);
  getrlimit(RLIMIT_MEMLOCK, &locked);
  getrlimit(RLIMIT_AS, &space);
  Finding finding{"limits", State::kGood,
                  fmt::format("open files {}, locked memory {}, address space {}",
                              LimitText(files.rlim_cur, false), LimitText(locked.rlim_cur, true),
                              LimitText(space.rlim_cur, true)),
                  ""};
  constexpr rlim_t kFewFiles = 64;
  if (files.rlim_cur < kFewFiles) {
    finding.state = State::kHint;
    finding.advice = "raise the number of open files: ulimit -n 1024";
  } else if (space.rlim_cur != RLIM_INFINITY) {
    finding.state = State::kHint;
    finding.advice = "an address space limit (ulimit -v) can keep models from loading";
  }
  return finding;
}

// The folder itself, or the nearest one above it that exists.
std::string ExistingFolder(std::string folder) {
  while (!folder.empty() && access(folder.c_str(), F_OK) != 0) {
    const std::size_t slash = folder.find_last_of('/');
    if (slash == std::string::npos) return ".";
    folder.resize(slash);
  }
  return folder.empty() ? "/" : folder;
}

Finding Models() {
  const auto store = OpenStore();
  if (!store) return {"models", State::kProblem, "no folder", store.error().message};
  const std::string existing = ExistingFolder(store->folder());
  struct statvfs stats {};
  statvfs(existing.c_str(), &stats);
  const std::uint64_t free = std::uint64_t{stats.f_bavail} * stats.f_frsize;
  const auto files = store->List();
  Finding finding{"models", State::kGood,
                  fmt::format("{}: {} models, {} free", store->folder(), files ? files->size() : 0,
                              HumanBytes(free)),
                  ""};
  std::uint64_t largest = 0;
  for (const model::CatalogueEntry& entry : store->catalogue()) {
    largest = std::max(largest, 2 * entry.bytes);
  }
  if (access(existing.c_str(), W_OK) != 0) {
    finding.state = State::kProblem;
    finding.advice = fmt::format(
        "{} cannot be written, so nothing can be pulled; set CAIRN_HOME "
        "to a folder that can",
        existing);
  } else if (free < largest) {
    finding.state = State::kHint;
    finding.advice = fmt::format(
        "a pull may need {}; free some space or set CAIRN_HOME to a "
        "folder elsewhere",
        HumanBytes(largest));
  } else if (files && files->empty()) {
    finding.state = State::kHint;
    finding.advice = "`cairn pull smollm2` fetches a small model";
  }
  return finding;
}

Finding Python() {
  const auto version = model::PipVersion();
  if (version) return {"python", State::kGood, *version, ""};
  return {"python", State::kHint, "not usable for `cairn pull`", version.error().message};
}

const char* Word(State state) {
  return state == State::kGood ? "good" : state == State::kHint ? "hint" : "problem";
}

Result<void> Doctor(const DoctorOptions& o, Console& console) {
  const std::vector<Finding> findings = {Machine(),   Cores(),  InstructionSets(), Memory(),
                                         HugePages(), Limits(), Models(),          Python()};
  if (o.json) {
    boost::json::array values;
    for (const Finding& f : findings) {
      values.push_back(boost::json::object{
          {"name", f.name}, {"state", Word(f.state)}, {"found", f.found}, {"advice", f.advice}});
    }
    console.WriteJson(boost::json::object{{"findings", std::move(values)}});
    return {};
  }
  int advised = 0;
  for (const Finding& f : findings) {
    const char* mark = f.state == State::kGood ? " " : f.state == State::kHint ? "-" : "!";
    console.Write(fmt::format("{} {:13} {}\n", mark, f.name, f.found));
    if (f.advice.empty()) continue;
    ++advised;
    console.Write(fmt::format("  {:13} -> {}\n", "", f.advice));
  }
  console.Write(advised == 0 ? "\nNothing to do: this machine is ready.\n"
                             : "\n- may be improved, ! stands in the way\n");
  return {};
}

}  // namespace

void AddDoctor(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<DoctorOptions>();
  CLI::App* command = NewCommand(app, kMeasure, "doctor",
                                 "What this machine has, what it lacks, what to do about it",
                                 "cairn doctor\ncairn doctor --json");
  AddJson(*command, o->json);
  OnChosen(*command, chosen, o, Doctor);
}

}  // namespace cairn::apps
