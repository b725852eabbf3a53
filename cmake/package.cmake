# What `cmake --install` places, and the Debian package (`cpack -G DEB` in a release build).
#   program   both
#   local     only `cmake --install`: everything below the prefix
#   deb       only the package: where Debian wants it, compressed, with /etc
set(packaging ${CMAKE_SOURCE_DIR}/packaging)
set(made ${CMAKE_BINARY_DIR}/packaging)
set(data ${CMAKE_INSTALL_DATADIR})

install(TARGETS tailrace RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(DIRECTORY conf.d/ DESTINATION ${data}/tailrace/examples COMPONENT program
	FILES_MATCHING PATTERN "*.yaml")
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
install(FILES ${packaging}/completion/tailrace.bash RENAME tailrace
	DESTINATION ${data}/bash-completion/completions COMPONENT program)
install(FILES ${packaging}/completion/tailrace.fish
	DESTINATION ${data}/fish/vendor_completions.d COMPONENT program)

# --- local ---

file(READ ${packaging}/systemd/tailrace.service unit)
string(REPLACE /usr/bin/ ${CMAKE_INSTALL_FULL_BINDIR}/ unit "${unit}")
file(CONFIGURE OUTPUT ${made}/tailrace.service CONTENT "${unit}" @ONLY)
install(FILES ${made}/tailrace.service ${packaging}/systemd/tailrace-syslog.socket
	DESTINATION lib/systemd/system COMPONENT local)
install(FILES ${packaging}/systemd/tailrace.sysusers RENAME tailrace.conf
	DESTINATION lib/sysusers.d COMPONENT local)
install(FILES ${packaging}/systemd/tailrace.tmpfiles RENAME tailrace.conf
	DESTINATION lib/tmpfiles.d COMPONENT local)
install(FILES ${packaging}/tailrace.yaml DESTINATION ${data}/tailrace COMPONENT local)
install(FILES ${packaging}/man/tailrace.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT local)
install(FILES ${packaging}/man/tailrace.yaml.5
	DESTINATION ${CMAKE_INSTALL_MANDIR}/man5 COMPONENT local)
install(FILES ${packaging}/completion/tailrace.zsh RENAME _tailrace
	DESTINATION ${data}/zsh/site-functions COMPONENT local)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT local)

# --- deb ---

find_program(GZIP gzip)
if(NOT GZIP)
	return()
endif()
function(install_deb file destination)
	cmake_parse_arguments(arg "" RENAME "" ${ARGN})
	if(arg_RENAME)
		set(rename RENAME ${arg_RENAME})
	endif()
	install(FILES ${file} DESTINATION ${destination} ${rename} COMPONENT deb EXCLUDE_FROM_ALL)
endfunction()
function(install_deb_gz file destination name)
	add_custom_command(OUTPUT ${made}/${name}.gz DEPENDS ${file}
		COMMAND ${CMAKE_COMMAND} -E make_directory ${made}
		COMMAND ${GZIP} -9nc ${file} > ${made}/${name}.gz VERBATIM)
	set_property(GLOBAL APPEND PROPERTY deb_files ${made}/${name}.gz)
	install_deb(${made}/${name}.gz ${destination})
endfunction()

install_deb(${packaging}/tailrace.yaml /etc/tailrace)
install_deb(${packaging}/systemd/tailrace.service /lib/systemd/system)
install_deb(${packaging}/systemd/tailrace-syslog.socket /lib/systemd/system)
install_deb(${packaging}/systemd/tailrace.sysusers lib/sysusers.d RENAME tailrace.conf)
install_deb(${packaging}/systemd/tailrace.tmpfiles lib/tmpfiles.d RENAME tailrace.conf)
install_deb(${packaging}/completion/tailrace.zsh share/zsh/vendor-completions RENAME _tailrace)
install_deb(${packaging}/deb/copyright share/doc/tailrace)
install_deb_gz(${packaging}/deb/changelog share/doc/tailrace changelog)
install_deb_gz(${packaging}/man/tailrace.1 share/man/man1 tailrace.1)
install_deb_gz(${packaging}/man/tailrace.yaml.5 share/man/man5 tailrace.yaml.5)
get_property(deb_files GLOBAL PROPERTY deb_files)
add_custom_target(deb_files ALL DEPENDS ${deb_files})

file(STRINGS ${packaging}/deb/description lines)
list(POP_FRONT lines summary)
list(TRANSFORM lines STRIP)
list(JOIN lines "\n" description)
file(WRITE ${made}/conffiles "/etc/tailrace/tailrace.yaml\n")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tailrace)
set(CPACK_PACKAGE_VENDOR "The Tailrace authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${summary}")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "${description}")
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The Tailrace authors <maintainers@tailrace.invalid>")
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# systemd-sysusers, systemd-tmpfiles and deb-systemd-helper, for the maintainer scripts.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd, init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${made}/conffiles
	${packaging}/deb/postinst ${packaging}/deb/prerm ${packaging}/deb/postrm)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
	OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_COMPONENTS_ALL program deb)
include(CPack)
