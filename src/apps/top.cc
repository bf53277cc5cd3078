// SPDX-License-Identifier: Apache-2.0
// cairn top: what a server that runs is doing.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>

#include "apps/command.h"
#include "apps/interrupts.h"
#include "apps/options.h"
#include "apps/server_client.h"
#include "apps/top_view.h"
#include "base/clock.h"

namespace cairn::apps {
namespace {

constexpr std::size_t kHistory = 512;   // readings of the curve
constexpr std::size_t kQuantiles = 30;  // readings that times are taken from
constexpr std::string_view kHome = "\x1b[H", kClearLine = "\x1b[K", kClearBelow = "\x1b[J";

struct TopOptions {
  std::string url = "http://127.0.0.1:8080";
  std::int64_t interval = 1;  // seconds
  bool once = false;
  bool json = false;
};

struct TimedReading {
  MetricsText text;
  std::int64_t ns = 0;
};

// A connection for each reading: servers close those that wait.
Result<TimedReading> ReadServer(const ServerAddress& address) {
  ServerClient client = OR_RETURN(ServerClient::Connect(address));
  const std::string text = OR_RETURN(client.Get("/metrics"));
  return TimedReading{.text = MetricsText(text), .ns = SystemClock().NowNs()};
}

// False: stopped before.
bool Sleep(std::int64_t seconds, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, std::chrono::seconds(seconds), [] { return false; });
  return !stop.stop_requested();
}

// The screen is drawn over the one before, line by line, so that nothing flickers.
void Draw(const std::string& screen, Console& console) {
  std::string out(kHome);
  for (const char c : screen) {
    if (c == '\n') out += kClearLine;
    out += c;
  }
  console.Write(out);
  console.Write(kClearBelow);
  console.Flush();
}

Result<void> Top(const TopOptions& o, Console& console) {
  const ServerAddress address = OR_RETURN(ParseServerUrl(o.url));
  Interrupts interrupts;
  const std::stop_token stop = interrupts.BeginAnswer();
  const bool screen = console.takes_escapes() && !o.once && !o.json;
  std::deque<TimedReading> readings;
  readings.push_back(OR_RETURN(ReadServer(address)));  // a wrong address ends it here
  std::vector<double> history;
  while (!console.broken() && Sleep(o.interval, stop)) {
    auto now = ReadServer(address);
    if (!now) {
      if (!screen) return std::unexpected(now.error());
      Draw(now.error().message + "\n", console);  // it may come back
      continue;
    }
    const TimedReading before = readings.back();
    readings.push_back(*std::move(now));
    if (readings.size() > kQuantiles) readings.pop_front();
    const double seconds = 1e-9 * static_cast<double>(readings.back().ns - before.ns);
    const TopReading reading =
        ReadTop(readings.back().text, before.text, seconds, readings.front().text);
    history.push_back(reading.answer_tokens);
    if (history.size() > kHistory) history.erase(history.begin());
    if (o.json) {
      console.WriteJson(TopJson(reading));
    } else {
      const std::string text = TopScreen(reading, history, o.url, console.columns());
      if (screen) Draw(text, console);
      if (!screen) console.Write(text + (o.once ? "" : "\n"));
    }
    console.Flush();
    if (o.once) break;
  }
  return {};
}

}  // namespace

void AddTop(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<TopOptions>();
  CLI::App* command = NewCommand(app, kMeasure, "top", "What a server is doing, live",
                                 "cairn top\n"
                                 "cairn top http://127.0.0.1:9000 --interval 5\n"
                                 "cairn top --json | head -60    # a minute, for a program");
  command
      ->add_option("URL", o->url,
                   "Address of a cairn that serves; its key is the environment's CAIRN_API_KEY")
      ->type_name("")
      ->capture_default_str();
  command->add_option("--interval", o->interval, "Seconds between two readings")
      ->type_name("N")
      ->check(WholeNumber(1, 3600))
      ->capture_default_str();
  command->add_flag("--once", o->once, "One interval, then end");
  AddJson(*command, o->json);
  OnChosen(*command, chosen, o, Top);
}

}  // namespace cairn::apps
