# Oracles that only tests link.

# http_parser reads what lib/http1.c takes for a request.
find_library(HTTP_PARSER_LIBRARY http_parser)
if(HTTP_PARSER_LIBRARY)
	target_compile_definitions(fuzz_http1 PRIVATE HAVE_HTTP_PARSER)
	target_link_libraries(fuzz_http1 PRIVATE ${HTTP_PARSER_LIBRARY})
else()
	message(WARNING "libhttp-parser-dev is missing: HTTP/1 is tested without its oracle")
endif()

# protobuf-c reads and writes what outputs/loki/push.c wrote by hand.
find_program(PROTOC_C protoc-c)
if(NOT PROTOC_C OR NOT PROTOBUFC_FOUND)
	message(WARNING "protoc-c or libprotobuf-c is missing: the push encoder is tested without its oracle")
	return()
endif()

# ... and what inputs/otlp walks in place.
set(oracle_dir ${CMAKE_CURRENT_BINARY_DIR}/oracle)
foreach(name push otlp)
	list(APPEND oracle_files ${oracle_dir}/${name}.pb-c.c ${oracle_dir}/${name}.pb-c.h)
	add_custom_command(
		OUTPUT ${oracle_dir}/${name}.pb-c.c ${oracle_dir}/${name}.pb-c.h
		COMMAND ${CMAKE_COMMAND} -E make_directory ${oracle_dir}
		COMMAND ${PROTOC_C} --proto_path=${CMAKE_CURRENT_SOURCE_DIR}/proto --c_out=${oracle_dir} ${name}.proto
		DEPENDS proto/${name}.proto
		VERBATIM)
endforeach()
# Generated code: compiled without our warnings.
add_library(oracle OBJECT ${oracle_files})
target_link_libraries(oracle PUBLIC PkgConfig::PROTOBUFC)
target_include_directories(oracle SYSTEM INTERFACE ${oracle_dir})

foreach(name test_push fuzz_push test_otlp_walk fuzz_otlp)
	if(TARGET ${name})
		add_dependencies(${name} oracle)
		target_compile_definitions(${name} PRIVATE HAVE_ORACLE)
		target_link_libraries(${name} PRIVATE oracle)
	endif()
endforeach()
