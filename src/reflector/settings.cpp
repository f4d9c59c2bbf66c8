// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include "reachd/core/json.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace reachd::reflector {

namespace {

constexpr std::size_t max_file_bytes = 1 << 20; // ten thousand keys are 800 KB

file_faults one_fault(std::string file, std::string message, errc code = errc::invalid)
{
    return {file_fault{.file = std::move(file), .message = std::move(message), .code = code}};
}

parsed<std::string> read_file(const std::string& path)
{
    std::ifstream file{path, std::ios::binary};
    if (!file) {
        return std::unexpected(one_fault(path, "cannot be read", errc::unreadable));
    }
    std::string out{std::istreambuf_iterator<char>{file}, {}};
    if (out.size() > max_file_bytes) {
        return std::unexpected(one_fault(path, "is larger than 1 MiB"));
    }
    return out;
}

// systemd.exec(5), LoadCredential=.
std::string credential(const char* name)
{
    const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr) {
        return {};
    }
    const auto path = std::filesystem::path{directory} / name;
    std::error_code ignored;
    return std::filesystem::exists(path, ignored) ? path.string() : "";
}

std::optional<socket_address> flag(const char* name, const std::string& text, file_faults& faults)
{
    auto out = parse_socket_address(text);
    if (!out) {
        faults.push_back(
            {.file = name,
             .message =
                 "must be ADDRESS:PORT, as 192.0.2.1:3478 or [2001:db8::1]:3478, not " + in_quotes(text)}
        );
    }
    return out;
}

} // namespace

parsed<std::vector<wire::key>> read_keys(const std::string& path)
{
    if (path.empty()) {
        return std::vector<wire::key>{};
    }
    const auto text = read_file(path);
    if (!text) {
        return std::unexpected(text.error());
    }
    return wire::parse_keys(*text, path);
}

parsed<settings> read_settings(const process_options& options)
{
    settings out;
    if (!options.config_file.empty()) {
        const auto text = read_file(options.config_file);
        if (!text) {
            return std::unexpected(text.error());
        }
        auto file = parse_config(*text, options.config_file);
        if (!file) {
            return std::unexpected(file.error());
        }
        out.what = std::move(*file);
    }
    file_faults faults;
    for (const auto& one : options.listen) {
        if (const auto address = flag("--listen", one, faults)) {
            out.what.listen.push_back(*address);
        }
    }
    if (!options.alternate.empty()) {
        out.what.alternate = flag("--alternate", options.alternate, faults);
    }
    if (!options.key_file.empty()) {
        out.what.key_file = options.key_file;
    }
    if (out.what.key_file.empty()) {
        out.what.key_file = credential("reflector.key");
    }
    auto keys = read_keys(out.what.key_file);
    if (!keys) {
        faults.insert(faults.end(), keys.error().begin(), keys.error().end());
    } else {
        out.keys = std::move(*keys);
    }
    if (faults.empty()) {
        if (const auto why = why_not_start(out.what, out.keys.size())) {
            faults = one_fault("settings", *why);
        }
    }
    if (!faults.empty()) {
        return std::unexpected(std::move(faults));
    }
    return out;
}

} // namespace reachd::reflector
