// SPDX-License-Identifier: Apache-2.0
#include "apps/line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "apps/key_queue.h"

namespace cairn::apps {
namespace {

constexpr int kHistoryLines = 1000;
constexpr int kSequenceMs = 30;  // the bytes of one key arrive closer together than this

// libedit reads characters of the locale; without one for UTF-8, Debian's built-in one.
void UseUtf8Locale() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

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
  void Quiet() const;

  std::vector<std::string> completions;
  Interrupts& interrupts;
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::string history_file;
  std::string prompt;
  KeyQueue keys;
  bool interrupted = false;
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
      state.interrupted = true;
      errno = EINTR;
      return -1;
    }
    char bytes[4096];
    const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno != EINTR)) return 0;
    if (got > 0) state.keys.Push({bytes, static_cast<std::size_t>(got)});
  }
}

// Tab: completes the word when the line so far is the beginning of exactly one completion.
unsigned char LineEditor::State::Complete(EditLine* editor, int /*key*/) {
  const State& state = Of(editor);
  const LineInfo* line = el_line(editor);
  const std::string_view typed(line->buffer, static_cast<std::size_t>(line->cursor - line->buffer));
  const std::string* match = nullptr;
  for (const std::string& word : state.completions) {
    if (typed.empty() || !word.starts_with(typed)) continue;
    if (match != nullptr) return CC_REFRESH_BEEP;
    match = &word;
  }
  if (match == nullptr) return CC_REFRESH_BEEP;
  el_insertstr(editor, (match->substr(typed.size()) + " ").c_str());
  return CC_REFRESH;
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

Line LineEditor::Read(const std::string& prompt) {
  State& s = *state_;
  if (s.editor == nullptr) {
    Line line;
    if (!std::getline(std::cin, line.text)) line.end = LineEnd::kEndOfFile;
    return line;
  }
  s.prompt = prompt;
  s.interrupted = false;
  s.interrupts.Clear();
  s.interrupts.BeginTyping();
  Tell("\033[?2004h");  // marks around pasted text, please
  int count = 0;
  const char* text = el_gets(s.editor, &count);
  Tell("\033[?2004l");
  s.Quiet();
  if (s.interrupted) {
    Tell("^C\n");
    return {LineEnd::kInterrupted, {}};
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
  if (s.keys.TakePasted()) line = WithoutPasteSigns(line);
  return {LineEnd::kEnter, std::move(line)};
}

}  // namespace cairn::apps
