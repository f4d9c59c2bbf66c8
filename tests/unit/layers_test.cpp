// SPDX-License-Identifier: Apache-2.0
// The law of layers (docs/ARCHITECTURE.md), read off the include lines of the whole tree:
// core -> core; net -> core, net; store -> core, store; app -> core, net, store, app;
// reflector -> core, net, reflector; bin -> core, net, app, reflector.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {
namespace {

namespace fs = std::filesystem;

using words = std::vector<std::string_view>;

struct law {
    words layers;  // that may be included
    words headers; // that may not, by their beginning
};

// Core has no sockets, clocks, threads, files, logging, Asio or OpenSSL; only app and the programs log.
const std::map<std::string, law, std::less<>>& laws()
{
    static const std::map<std::string, law, std::less<>> all{
        {"core",
         {.layers = {"core"},
          .headers =
              {"boost/",
               "spdlog/",
               "openssl/",
               "ares",
               "sqlite3",
               "sys/",
               "netdb.h",
               "poll.h",
               "unistd.h",
               "fcntl.h",
               "csignal",
               "signal.h",
               "pthread.h",
               "fstream",
               "ifstream",
               "iostream",
               "filesystem",
               "cstdio",
               "stdio.h",
               "thread",
               "mutex",
               "shared_mutex",
               "condition_variable",
               "future"}}},
        {"net", {.layers = {"core", "net"}, .headers = {"spdlog/"}}},
        {"store", {.layers = {"core", "store"}, .headers = {"spdlog/", "boost/"}}},
        {"app", {.layers = {"core", "net", "store", "app"}, .headers = {}}},
        {"reflector", {.layers = {"core", "net", "reflector"}, .headers = {"spdlog/"}}},
        {"bin", {.layers = {"core", "net", "app", "reflector"}, .headers = {}}},
    };
    return all;
}

// What an include line names, without its quotes or brackets; "" for any other line.
std::string_view included_by(std::string_view line)
{
    const auto skip = [&](std::string_view what) {
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
        const bool found = line.starts_with(what);
        line.remove_prefix(found ? what.size() : 0);
        return found;
    };
    if (!skip("#") || !skip("include")) {
        return {};
    }
    if (!skip("<") && !skip("\"")) {
        return {};
    }
    return line.substr(0, line.find_first_of(">\""));
}

// Why a file of this layer may not have this line; "" when it may.
std::string fault_of(std::string_view layer, std::string_view line)
{
    const auto found = laws().find(layer);
    if (found == laws().end()) {
        return "no such layer: " + std::string{layer};
    }
    const auto& own = found->second;
    if (layer == "core" && line.find("_clock::now(") != std::string_view::npos) {
        return "core reads a clock";
    }
    if (layer == "core" && line.find("steady::now(") != std::string_view::npos) {
        return "core reads a clock";
    }
    const auto header = included_by(line);
    if (header.empty()) {
        return {};
    }
    const std::string text{header};
    if (header.find("..") != std::string_view::npos) {
        return "climbs out of its directory: " + text;
    }
    constexpr std::string_view ours = "reachd/";
    if (header.starts_with(ours)) {
        const auto rest = header.substr(ours.size());
        const auto target = rest.substr(0, rest.find('/'));
        const bool allowed = std::ranges::find(own.layers, target) != own.layers.end();
        return allowed ? "" : "may not include " + text;
    }
    const bool forbidden = std::ranges::any_of(own.headers, [&](std::string_view beginning) {
        return beginning.ends_with('/') ? header.starts_with(beginning)
                                        : header == beginning || header == std::string{beginning} + ".h";
    });
    return forbidden ? "may not include " + text : "";
}

struct findings {
    std::vector<std::string> faults;
    std::map<std::string, unsigned> files; // read, of each layer
};

void check_file(const fs::path& file, const std::string& layer, findings& found)
{
    std::ifstream in{file};
    unsigned number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (const auto fault = fault_of(layer, line); !fault.empty()) {
            const auto place = layer + "/" + file.filename().string() + ":" + std::to_string(number);
            found.faults.push_back(place + ": " + fault);
        }
    }
    ++found.files[layer];
}

findings check_tree(const fs::path& root)
{
    findings found;
    for (const auto& top : {root / "src", root / "include" / "reachd"}) {
        if (!fs::exists(top)) {
            continue;
        }
        for (const auto& entry : fs::recursive_directory_iterator{top}) {
            const auto kind = entry.path().extension();
            if (entry.is_regular_file() && (kind == ".cpp" || kind == ".hpp")) {
                check_file(entry.path(), fs::relative(entry.path(), top).begin()->string(), found);
            }
        }
    }
    return found;
}

TEST(layers, of_the_whole_tree_keep_the_law)
{
    const auto found = check_tree(REACHD_SOURCE_DIR);
    for (const auto& fault : found.faults) {
        ADD_FAILURE() << fault;
    }
    EXPECT_GE(found.files.at("core"), 40U); // the tree was found, and read
    EXPECT_GE(found.files.at("net"), 15U);
    EXPECT_GE(found.files.at("app"), 8U);
}

TEST(layers, forbid_every_arrow_that_is_not_in_the_law)
{
    const words all{"core", "net", "store", "app", "reflector"};
    const std::map<std::string, std::string> allowed{
        {"core", "core"},
        {"net", "core net"},
        {"store", "core store"},
        {"app", "core net store app"},
        {"reflector", "core net reflector"},
        {"bin", "core net app reflector"}
    };
    for (const auto& [from, to] : allowed) {
        for (const auto target : all) {
            SCOPED_TRACE(from + " -> " + std::string{target});
            const auto line = "#include \"reachd/" + std::string{target} + "/x.hpp\"";
            EXPECT_EQ(fault_of(from, line).empty(), to.find(target) != std::string::npos);
        }
    }
    EXPECT_NE(fault_of("stray", "#include <string>"), "");
}

TEST(layers, keep_core_free_of_sockets_clocks_threads_files_and_logs)
{
    for (const char* line :
         {"#include <boost/asio/ip/tcp.hpp>", "#include <spdlog/spdlog.h>", "#include <fstream>",
          "#include <iostream>", "#include <sys/socket.h>", "  #  include <thread>", "#include<mutex>",
          "#include <ares.h>", "#include <openssl/ssl.h>", "#include \"../net/x.hpp\"",
          "auto t = steady::now();", "    const auto now = std::chrono::steady_clock::now();"}) {
        SCOPED_TRACE(line);
        EXPECT_NE(fault_of("core", line), "");
    }
    for (const char* line :
         {"#include <string>", "#include <fmt/format.h>", "#include \"json_syntax.hpp\"", "",
          "// #include <iostream>", "int threads = 1;", "#include <arpa/inet.h>"}) {
        SCOPED_TRACE(line);
        EXPECT_EQ(fault_of("core", line), "");
    }
}

TEST(layers, let_only_app_and_the_programs_log)
{
    for (const char* below : {"core", "net", "store"}) {
        EXPECT_NE(fault_of(below, "#include <spdlog/spdlog.h>"), "") << below;
    }
    EXPECT_EQ(fault_of("app", "#include <spdlog/spdlog.h>"), "");
    EXPECT_EQ(fault_of("bin", "#include <spdlog/spdlog.h>"), "");
    EXPECT_EQ(fault_of("net", "#include <boost/asio/ip/tcp.hpp>"), "");
}

TEST(layers, show_a_planted_fault_with_its_file_and_line)
{
    const auto root = fs::path{testing::TempDir()} / "reachd_layers_test";
    fs::remove_all(root);
    fs::create_directories(root / "src" / "net");
    fs::create_directories(root / "include" / "reachd" / "core");
    std::ofstream{root / "src" / "net" / "good.cpp"}
        << "#include \"reachd/net/good.hpp\"\n#include <boost/asio.hpp>\n";
    std::ofstream{root / "src" / "net" / "bad.cpp"}
        << "#include <string>\n#include \"reachd/app/engine.hpp\"\n";
    std::ofstream{root / "include" / "reachd" / "core" / "bad.hpp"}
        << "#pragma once\n\n#include <iostream>\n";
    const auto found = check_tree(root);
    fs::remove_all(root);
    EXPECT_EQ(
        found.faults,
        (std::vector<std::string>{
            "net/bad.cpp:2: may not include reachd/app/engine.hpp", "core/bad.hpp:3: may not include iostream"
        })
    );
}

} // namespace
} // namespace reachd
