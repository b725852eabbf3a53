# Compiler options, carried by the interface target `options`.
#   TAILRACE_SANITIZE  "" | address | thread      (address means ASan + UBSan)
#   TAILRACE_FUZZ      build libFuzzer targets (clang)
#   TAILRACE_WERROR    warnings are errors (developers and CI; off for packagers)
set(TAILRACE_SANITIZE "" CACHE STRING "address, thread or empty")
option(TAILRACE_FUZZ "build the libFuzzer targets" OFF)
option(TAILRACE_WERROR "treat warnings as errors" OFF)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")

add_library(options INTERFACE)
target_compile_definitions(options INTERFACE _GNU_SOURCE)
target_compile_options(options INTERFACE
	-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
	-Wno-missing-field-initializers -fno-strict-aliasing -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(TAILRACE_WERROR)
	target_compile_options(options INTERFACE -Werror)
endif()

if(TAILRACE_SANITIZE STREQUAL "address")
	target_compile_options(options INTERFACE -fsanitize=address,undefined
		-fno-sanitize-recover=undefined)
	target_link_options(options INTERFACE -fsanitize=address,undefined)
elseif(TAILRACE_SANITIZE STREQUAL "thread")
	target_compile_options(options INTERFACE -fsanitize=thread)
	target_link_options(options INTERFACE -fsanitize=thread)
else()
	target_compile_options(options INTERFACE -fstack-protector-strong -fstack-clash-protection
		$<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
	target_link_options(options INTERFACE -Wl,-z,relro,-z,now)
endif()
if(TAILRACE_FUZZ)
	target_compile_options(options INTERFACE -fsanitize=fuzzer-no-link)
endif()
