// SPDX-License-Identifier: Apache-2.0
#include "apps/answer_view.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"

namespace cairn::apps {
namespace {

constexpr int kFewestRows = 6;  // below it, the rows are needed for the answer
constexpr int kSlowMs = 400;    // after this long without an answer, say what is being done

// Escape sequences of every terminal since the VT100.
constexpr const char* kEraseBelow = "\033[J";
constexpr const char* kTwoRowsBelow = "\033D\033D\033[2A";  // makes them; the cursor stays
constexpr const char* kKeepCursor = "\0337";
constexpr const char* kToTypedLine = "\033[2B\r\033[K";
constexpr const char* kBackToCursor = "\0338";

}  // namespace

AnswerView::AnswerView(Console& console, LineEditor* editor, std::string prompt,
                       std::string waiting, bool break_lines)
    : console_(console),
      editor_(editor),
      prompt_(std::move(prompt)),
      waiting_(std::move(waiting)),
      wrap_(break_lines),
      wraps_(console.out_is_terminal()) {
  if (wraps_) UseUtf8Locale();
  footer_ = editor != nullptr && editor->is_terminal() && console.takes_escapes() &&
            console.rows() >= kFewestRows;
  if (!footer_) return;
  leave_ = eventfd(0, EFD_CLOEXEC);
  CAIRN_CHECK(leave_ >= 0);
  Draw(Footer());
  thread_ = std::thread([this] { Watch(); });
}

bool AnswerView::Write(std::string_view text) {
  if (!wraps_) return console_.Write(text) && console_.Flush();
  const std::lock_guard lock(mutex_);
  const std::int64_t lines = wrap_.lines();
  std::string out = wrap_.Push(text, console_.columns());
  if (footer_ && (!started_ || wrap_.lines() != lines)) {
    started_ = true;
    out = kEraseBelow + out + Footer();
  }
  Draw(std::move(out));
  return !console_.broken();
}

void AnswerView::Finish() {
  if (finished_) return;
  finished_ = true;
  if (footer_) {
    const std::uint64_t one = 1;
    CAIRN_CHECK(write(leave_, &one, sizeof one) == sizeof one);
    thread_.join();
    close(leave_);
  }
  if (wraps_) Draw((footer_ ? kEraseBelow : "") + wrap_.Flush(console_.columns()));
}

void AnswerView::Draw(std::string_view text) {
  console_.Write(text);
  console_.Flush();
}

// Draws the prompt two rows below the cursor, which stays where it is.
std::string AnswerView::Footer() const {
  return fmt::format("{}{}{}{}{}{}", kTwoRowsBelow, kKeepCursor, slow_ && !started_ ? waiting_ : "",
                     kToTypedLine, TypedLine(), kBackToCursor);
}

// The prompt and the end of what has been typed, as much as fits.
std::string AnswerView::TypedLine() const {
  const std::string typed = editor_->Preview();
  const int room = console_.columns() - 1 - static_cast<int>(prompt_.size());
  return prompt_ + std::string(LastColumns(typed, room));
}

void AnswerView::Watch() {
  pollfd ready[2] = {{leave_, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  for (int wait = kSlowMs;;) {
    const int count = poll(ready, 2, wait);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || ready[0].revents != 0) return;
    const std::lock_guard lock(mutex_);
    // At the end of the input nothing more is to be seen here; the next Read reports it.
    if (ready[1].revents != 0 && !editor_->TakeKeys()) ready[1].fd = -1;
    if (count == 0) {
      slow_ = true;
      wait = -1;
    }
    Draw(Footer());
  }
}

}  // namespace cairn::apps
