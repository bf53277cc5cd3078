// SPDX-License-Identifier: Apache-2.0
// docs/openapi.yaml has the routes of the server, each of them and no other. What the file says of
// them is compared with a running server by tests/e2e/test_openapi.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "server/api.h"

namespace cairn::server {
namespace {

using Routes = std::set<std::string>;  // "GET /v1/models"

// A path stands two blanks deep under `paths:`, its methods four; `&name` names a path's methods,
// which `*name` has too.
class OpenApiFile {
 public:
  explicit OpenApiFile(const std::filesystem::path& path) {
    std::ifstream file(path);
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
      if (line == "paths:") inside = true;
      if (line == "components:") inside = false;
      if (inside) Read(line);
    }
  }
  const Routes& routes() const { return routes_; }

 private:
  void Read(const std::string& line) {
    if (line.starts_with("  /")) return ReadPath(line);
    if (!line.starts_with("    ") || line.size() < 6 || line[4] == ' ' || line.back() != ':')
      return;
    std::string method = line.substr(4, line.size() - 5);
    for (char& c : method) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    routes_.insert(method + ' ' + path_);
    if (!name_.empty()) named_[name_].insert(method);
  }
  void ReadPath(const std::string& line) {
    const std::size_t end = line.find(':');
    path_ = line.substr(2, end - 2);
    const std::string rest = line.substr(std::min(end + 2, line.size()));
    name_ = rest.starts_with('&') ? rest.substr(1) : "";
    if (!rest.starts_with('*')) return;
    for (const std::string& method : named_[rest.substr(1)]) routes_.insert(method + ' ' + path_);
  }

  Routes routes_;
  std::string path_, name_;
  std::map<std::string, Routes> named_;
};

TEST(OpenApi, ThePathsOfTheFileAreTheRoutesOfTheServer) {
  const OpenApiFile file(std::filesystem::path(CAIRN_SOURCE_DIR) / "docs/openapi.yaml");
  Routes written;
  for (const std::string& route : file.routes()) {
    written.insert(route.substr(0, route.find('{')));  // a parameter is the rest of a path
  }
  Routes there;
  for (const Route& route : AllRoutes()) {
    std::string path(route.path);
    if (path.ends_with('*')) path.pop_back();
    there.insert(std::string(route.method) + ' ' + path);
  }
  EXPECT_EQ(there.size(), AllRoutes().size()) << "a route stands there twice";
  EXPECT_EQ(written, there);
}

}  // namespace
}  // namespace cairn::server
