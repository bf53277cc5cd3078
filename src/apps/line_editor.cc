// SPDX-License-Identifier: Apache-2.0
#include "apps/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "apps/key_queue.h"
#include "apps/word_wrap.h"

namespace cairn::apps {
namespace {

constexpr int kHistoryLines = 1000;
constexpr wchar_t kToEnd = 0x05;  // Ctrl-E
constexpr int kSequenceMs = 30;   // the bytes of one key arrive closer together than this

void Tell(std::string_view sequence) {
  // A terminal that cannot be written has gone; the next read says so.
  if (write(STDOUT_FILENO, sequence.data(), sequence.size()) < 0) return;
}

}  // namespace

struct LineEditor::State {
  State(std::vector<std::string> words, Interrupts& i)
      : completions(std::move(words)), interrupts(i) {}

  static char* PromptOf(EditLine* editor);
  static int GetCharacter(EditLine* editor, wchar_t* out);
  static unsigned char Complete(EditLine* editor, int key);
  static State& Of(EditLine* editor);
  bool OnEvent();
  bool TakeKeys();
  void Quiet() const;

  std::vector<std::string> completions;
  Interrupts& interrupts;
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::string history_file;
  std::string prompt;
  KeyQueue keys;
  std::string before_interrupt;  // what was typed when Ctrl-C came
  bool interrupted = false;
  bool marks_pastes = false;  // the terminal knows more than plain text
};

LineEditor::State& LineEditor::State::Of(EditLine* editor) {
  void* state = nullptr;
  el_get(editor, EL_CLIENTDATA, &state);
  return *static_cast<State*>(state);
}

char* LineEditor::State::PromptOf(EditLine* editor) { return Of(editor).prompt.data(); }

// libedit's source of keys: 1 and a character, 0 at the end, -1 on Ctrl-C.
int LineEditor::State::GetCharacter(EditLine* editor, wchar_t* out) {
  State& state = Of(editor);
  if (state.interrupted) {
    errno = EINTR;
    return -1;
  }
  while (true) {
    if (const auto c = state.keys.Pop(false)) {
      *out = *c;
      return 1;
    }
    pollfd ready[2] = {{STDIN_FILENO, POLLIN, 0},
                       {state.interrupts.typing_descriptor(), POLLIN, 0}};
    const int count = poll(ready, 2, state.keys.empty() ? -1 : kSequenceMs);
    if (count < 0) continue;  // a signal that is not ours, such as a new window size
    if (count == 0) {
      if (const auto c = state.keys.Pop(true)) {
        *out = *c;
        return 1;
      }
      continue;
    }
    if (ready[1].revents != 0) {
      if (!state.OnEvent()) continue;
      *out = kToEnd;
      return 1;
    }
    if (!state.TakeKeys()) return 0;
  }
}

// Whether the line ends here, once the cursor is behind its text.
bool LineEditor::State::OnEvent() {
  switch (interrupts.TakeEvent()) {
    case Interrupts::Event::kNone: return false;
    case Interrupts::Event::kResumed: el_set(editor, EL_REFRESH); return false;
    case Interrupts::Event::kInterrupted: break;
  }
  const LineInfo* line = el_line(editor);
  before_interrupt.assign(line->buffer, line->lastchar);
  interrupted = true;
  return true;
}

bool LineEditor::State::TakeKeys() {
  char bytes[4096];
  const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
  if (got > 0) keys.Push({bytes, static_cast<std::size_t>(got)});
  return got > 0 || (got < 0 && errno == EINTR);
}

// Tab: completes as far as all completions agree; where that adds nothing, lists them.
unsigned char LineEditor::State::Complete(EditLine* editor, int /*key*/) {
  const State& state = Of(editor);
  const LineInfo* line = el_line(editor);
  const std::string_view typed(line->buffer, static_cast<std::size_t>(line->cursor - line->buffer));
  std::string common;
  std::string list;
  int matches = 0;
  for (const std::string& word : state.completions) {
    if (typed.empty() || !word.starts_with(typed)) continue;
    if (++matches == 1) common = word + " ";
    const auto differ = std::ranges::mismatch(common, word);
    if (matches > 1) common.erase(differ.in1, common.end());
    const std::string next = "  " + word.substr(0, word.find(' ', typed.size()));
    if (!(list + "  ").contains(next + "  ")) list += next;
  }
  if (common.size() > typed.size()) {
    el_insertstr(editor, common.substr(typed.size()).c_str());
    return CC_REFRESH;
  }
  if (matches < 2) return CC_REFRESH_BEEP;
  Tell("\r\n" + list + "\r\n");
  return CC_REDISPLAY;
}

// Between lines: keys are neither echoed nor lost.
void LineEditor::State::Quiet() const {
  termios mode;
  if (tcgetattr(STDIN_FILENO, &mode) != 0) return;
  mode.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
  mode.c_lflag |= NOFLSH;  // Ctrl-C must not throw away what was typed before it
  tcsetattr(STDIN_FILENO, TCSANOW, &mode);
}

LineEditor::LineEditor(const std::string& history, std::vector<std::string> completions,
                       Interrupts& interrupts)
    : state_(std::make_unique<State>(std::move(completions), interrupts)) {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) return;
  UseUtf8Locale();
  State& s = *state_;
  s.editor = el_init("cairn", stdin, stdout, stderr);
  if (s.editor == nullptr) return;  // a terminal that nothing is known about: plain lines
  s.history = history_init();
  HistEvent event;
  ::history(s.history, &event, H_SETSIZE, kHistoryLines);
  ::history(s.history, &event, H_SETUNIQUE, 1);
  s.history_file = history;
  ::history(s.history, &event, H_LOAD, history.c_str());
  const char* term = std::getenv("TERM");
  s.marks_pastes = term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
  el_set(s.editor, EL_CLIENTDATA, &s);
  el_set(s.editor, EL_PROMPT, &State::PromptOf);
  el_set(s.editor, EL_EDITOR, "emacs");
  el_set(s.editor, EL_SIGNAL, 0);
  el_set(s.editor, EL_HIST, ::history, s.history);
  el_set(s.editor, EL_GETCFN, &State::GetCharacter);
  el_set(s.editor, EL_ADDFN, "cairn-complete", "complete a command", &State::Complete);
  el_set(s.editor, EL_BIND, "^I", "cairn-complete", nullptr);
  el_set(s.editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(s.editor, nullptr);  // the user's own ~/.editrc
}

LineEditor::~LineEditor() {
  if (state_->history != nullptr) history_end(state_->history);
  if (state_->editor != nullptr) el_end(state_->editor);  // puts the terminal's settings back
}

bool LineEditor::is_terminal() const { return state_->editor != nullptr; }
bool LineEditor::TakeKeys() { return state_->TakeKeys(); }
std::string LineEditor::Preview() const { return state_->keys.Preview(); }

Line LineEditor::Read(const std::string& prompt) {
  State& s = *state_;
  if (s.editor == nullptr) {
    s.interrupts.BeginWaiting();
    Line line;
    if (!std::getline(std::cin, line.text)) line.end = LineEnd::kEndOfFile;
    return line;
  }
  s.prompt = prompt;
  s.interrupted = false;
  s.interrupts.BeginTyping();
  if (s.marks_pastes) Tell("\033[?2004h");
  int count = 0;
  const char* text = el_gets(s.editor, &count);
  if (s.marks_pastes) Tell("\033[?2004l");
  s.Quiet();
  if (s.interrupted) {
    Tell("^C\n");
    return {LineEnd::kInterrupted, std::move(s.before_interrupt)};
  }
  if (text == nullptr || count <= 0) {
    Tell("\n");
    return {LineEnd::kEndOfFile, {}};
  }
  std::string line(text, static_cast<std::size_t>(count));
  while (line.ends_with('\n')) line.pop_back();
  if (line.find_first_not_of(" \t") != std::string::npos) {
    HistEvent event;
    history(s.history, &event, H_ENTER, line.c_str());
    history(s.history, &event, H_SAVE, s.history_file.c_str());
  }
  return {LineEnd::kEnter, WithoutPasteSigns(line)};
}

}  // namespace cairn::apps
