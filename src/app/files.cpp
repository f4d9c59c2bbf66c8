// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/files.hpp"

#include "reachd/core/json.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <set>
#include <sstream>

namespace reachd {

namespace fs = std::filesystem;

namespace {

// Ample for a catalogue of a thousand rows; anything larger is not one of our files.
constexpr std::uintmax_t largest_file = 4U << 20;

std::string from_environment(const char* name)
{
    const char* value = std::getenv(name);
    return value ? value : "";
}

// The source tree, when `program` lies in its build/<preset>.
std::optional<fs::path> source_tree(const fs::path& program)
{
    auto root = program.parent_path().parent_path().parent_path();
    std::error_code code;
    if (fs::exists(root / "config/catalogues", code) && fs::exists(root / "CMakeLists.txt", code)) {
        return root;
    }
    return std::nullopt;
}

// Beside the program's own prefix (/usr/local/sbin/reachd), else the packages'.
fs::path shipped_catalogues(const fs::path& program)
{
    const auto own = program.parent_path().parent_path() / "share/reachd/catalogues";
    std::error_code code;
    return fs::exists(own, code) ? own : fs::path{"/usr/share/reachd/catalogues"};
}

file_fault whole_file(const fs::path& file, errc code, std::string message)
{
    return {.file = file.string(), .message = std::move(message), .code = code};
}

std::expected<std::string, file_fault> read_file(const fs::path& file)
{
    std::error_code code;
    const auto status = fs::status(file, code);
    if (status.type() == fs::file_type::not_found) {
        return std::unexpected(whole_file(file, errc::not_found, "there is no such file"));
    }
    if (code || status.type() != fs::file_type::regular) {
        return std::unexpected(whole_file(
            file, errc::unreadable, code ? code.message() : std::string{"it is not a regular file"}
        ));
    }
    if ((status.permissions() & fs::perms::others_write) != fs::perms::none) {
        return std::unexpected(whole_file(
            file, errc::unreadable,
            "everybody may write it, and it decides where packets go: take that right away (chmod o-w)"
        ));
    }
    if (fs::file_size(file, code) > largest_file) {
        return std::unexpected(whole_file(file, errc::unreadable, "it is larger than 4 MiB"));
    }
    std::ifstream stream{file, std::ios::binary};
    std::ostringstream text;
    if (!stream || !(text << stream.rdbuf())) {
        if (stream.peek() == std::ifstream::traits_type::eof() && fs::file_size(file, code) == 0) {
            return std::string{};
        }
        return std::unexpected(
            whole_file(file, errc::unreadable, fmt::format("it cannot be read: {}", std::strerror(errno)))
        );
    }
    return text.str();
}

// The line of the entry that names the catalogue, for a fault that only shows when it is looked for.
file_fault at_entry(const paths& where, std::string_view config_text, std::size_t index)
{
    const auto pointer = fmt::format("/catalogues/{}", index);
    const auto document = parse_json(config_text, where.config.string(), comments::allowed);
    return {
        .file = where.config.string(),
        .pointer = pointer,
        .line = document ? document->line_of(pointer) : 0,
        .code = errc::not_found,
    };
}

parsed<catalogue>
load_catalogue(const paths& where, const std::string& id, std::string_view config_text, std::size_t index)
{
    for (const auto& directory : where.catalogue_dirs) {
        const auto file = directory / (id + ".json");
        const auto text = read_file(file);
        if (!text) {
            if (text.error().code == errc::not_found) {
                continue;
            }
            return std::unexpected(file_faults{text.error()});
        }
        auto read = parse_catalogue(*text, file.string());
        if (read && read->id != id) {
            return std::unexpected(
                file_faults{whole_file(
                    file, errc::invalid,
                    fmt::format("its id is \"{}\"; a catalogue's file is named after its id", read->id)
                )}
            );
        }
        return read;
    }
    std::vector<std::string> searched;
    for (const auto& directory : where.catalogue_dirs) {
        searched.push_back(directory.string());
    }
    const auto known = list_catalogues(where);
    const auto hint = nearest(id, {known.begin(), known.end()});
    auto fault = at_entry(where, config_text, index);
    fault.message = fmt::format(
        "there is no catalogue {} in {}{}", in_quotes(id), fmt::join(searched, " or "),
        hint ? fmt::format("; did you mean {}?", in_quotes(*hint)) : std::string{}
    );
    return std::unexpected(file_faults{std::move(fault)});
}

// What is faulty by its form is not judged by its meaning as well.
void add_unless_known(file_faults& into, file_fault one)
{
    const bool known = std::ranges::any_of(into, [&one](const file_fault& other) {
        return other.file == one.file && !one.pointer.empty() &&
               (other.pointer == one.pointer || other.pointer.starts_with(one.pointer + "/"));
    });
    if (!known) {
        into.push_back(std::move(one));
    }
}

// The site may keep what it says of a catalogue that it has switched off: such catalogues, where they can
// be read, are known as well.
std::vector<catalogue> with_others(const paths& where, const config& site, std::vector<catalogue> known)
{
    std::set<std::string> named;
    for (const auto& [id, unused] : site.values) {
        named.insert(id);
    }
    for (const auto& [row, unused] : site.inbound) {
        named.insert(row.substr(0, row.find('/')));
    }
    for (const auto& [row, unused] : site.not_needed) {
        named.insert(row.substr(0, row.find('/')));
    }
    for (const auto& id : named) {
        if (std::ranges::find(known, id, &catalogue::id) == known.end()) {
            if (auto other = load_catalogue(where, id, {}, 0)) {
                known.push_back(std::move(*other));
            }
        }
    }
    return known;
}

// Takes away what is said of a catalogue that cannot be read: it can be neither right nor wrong.
void leave_out(config& from, const std::string& catalogue)
{
    const auto is_of_it = [&catalogue](const auto& entry) {
        return entry.first.starts_with(catalogue + "/");
    };
    from.values.erase(catalogue);
    std::erase_if(from.inbound, is_of_it);
    std::erase_if(from.not_needed, is_of_it);
}

} // namespace

fs::path running_program()
{
    std::error_code code;
    return fs::read_symlink("/proc/self/exe", code);
}

paths find_paths(const path_options& options, const fs::path& program)
{
    const auto choose = [](const std::string& flag, const char* variable, const char* otherwise) {
        if (!flag.empty()) {
            return fs::path{flag};
        }
        const auto value = from_environment(variable);
        return value.empty() ? fs::path{otherwise} : fs::path{value};
    };
    const auto tree = source_tree(program);
    paths out;
    out.config = choose(options.config, "REACHD_CONFIG", "/etc/reachd/reachd.json");
    std::error_code code;
    if (tree && options.config.empty() && from_environment("REACHD_CONFIG").empty() &&
        !fs::exists(out.config, code)) {
        out.config = *tree / "config/reachd.json";
    }
    out.runtime_dir = choose(options.runtime_dir, "REACHD_RUNTIME_DIR", "/run/reachd");
    out.state_dir = choose(options.state_dir, "REACHD_STATE_DIR", "/var/lib/reachd");
    const auto variable = from_environment("REACHD_CATALOGUE_DIR");
    if (!options.catalogue_dirs.empty()) {
        out.catalogue_dirs.assign(options.catalogue_dirs.begin(), options.catalogue_dirs.end());
    } else if (!variable.empty()) {
        out.catalogue_dirs.emplace_back(variable);
    } else {
        out.catalogue_dirs.emplace_back("/etc/reachd/catalogues");
    }
    out.catalogue_dirs.push_back(tree ? *tree / "config/catalogues" : shipped_catalogues(program));
    return out;
}

std::vector<std::string> list_catalogues(const paths& where)
{
    std::set<std::string> ids;
    for (const auto& directory : where.catalogue_dirs) {
        std::error_code code;
        for (fs::directory_iterator it{directory, code}, end; !code && it != end; it.increment(code)) {
            if (it->path().extension() == ".json") {
                ids.insert(it->path().stem().string());
            }
        }
    }
    return {ids.begin(), ids.end()};
}

parsed<std::shared_ptr<const plan>> load_site(const paths& where)
{
    const auto text = read_file(where.config);
    if (!text) {
        return std::unexpected(file_faults{text.error()});
    }
    auto [site, faults] = read_config(*text, where.config.string());
    auto sound = site; // without what belongs to catalogues that are faulty themselves
    sound.catalogues.clear();
    std::vector<catalogue> known;
    for (std::size_t i = 0; i < site.catalogues.size(); ++i) {
        auto one = load_catalogue(where, site.catalogues[i], *text, i);
        if (one) {
            known.push_back(std::move(*one));
            sound.catalogues.push_back(site.catalogues[i]);
        } else {
            for (auto& fault : one.error()) {
                if (fault.file == where.config.string()) { // that there is no such catalogue
                    add_unless_known(faults, std::move(fault));
                } else {
                    faults.push_back(std::move(fault));
                }
            }
            leave_out(sound, site.catalogues[i]);
        }
    }
    for (auto& one : check_against(sound, with_others(where, sound, known), *text, where.config.string())) {
        add_unless_known(faults, std::move(one));
    }
    if (!faults.empty()) {
        std::ranges::stable_sort(faults, {}, &file_fault::line);
        std::ranges::stable_partition(faults, [&](const file_fault& one) {
            return one.file == where.config.string();
        });
        return std::unexpected(std::move(faults));
    }
    return std::make_shared<const plan>(make_plan(std::move(site), known));
}

} // namespace reachd
