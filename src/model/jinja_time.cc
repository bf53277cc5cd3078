// SPDX-License-Identifier: Apache-2.0
// strftime, as Python's in the C locale.
#include <ctime>
#include <string>

#include "model/jinja_builtins.h"

namespace cairn::model::jinja {

std::string StrfTime(std::string_view format, long long seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) FailInvalid("strftime_now: the clock is out of range");
  std::string out;
  // One conversion at a time, so that an empty result is not mistaken for a full buffer.
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      out.push_back(format[i]);
      continue;
    }
    std::string one = "%";
    ++i;
    if (format[i] == '-' && i + 1 < format.size()) one.push_back(format[i++]);
    one.push_back(format[i]);
    if (std::string_view("aAbBcdDeFgGhHIjmMnprRStTuUVwWxXyYCZz%").find(format[i]) ==
        std::string_view::npos) {
      if (format[i] == 'f') one = "000000";
      out += one;
      continue;
    }
    if (format[i] == 'Z' || format[i] == 'z') continue;  // local time without a zone
    char buffer[128];
    out.append(buffer, std::strftime(buffer, sizeof(buffer), one.c_str(), &parts));
  }
  return out;
}

}  // namespace cairn::model::jinja
