# External libraries, carried by the interface target `deps`. All from the distribution.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
find_library(SNAPPY_LIBRARY snappy REQUIRED)

add_library(deps INTERFACE)
target_link_libraries(deps INTERFACE PkgConfig::YAML PkgConfig::PCRE2 PkgConfig::CURL PkgConfig::OPENSSL
	PkgConfig::ZLIB PkgConfig::ZSTD PkgConfig::NGHTTP2
	${SNAPPY_LIBRARY} Threads::Threads m)
