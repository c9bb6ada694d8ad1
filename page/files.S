/* The files of the page, as exporter/web/page.cc serves them. The assembler takes them in as they are: no generator, and
 * the same for every architecture. */

.macro page_file name, path
  .global looptap_page_\name, looptap_page_\name\()_end
looptap_page_\name:
  .incbin "\path"
looptap_page_\name\()_end:
  .byte 0
.endm

  .section .rodata
  page_file index_html, "page/index.html"
  page_file page_css, "page/page.css"
  page_file page_js, "page/page.js"
  page_file charts_js, "page/charts.js"
  page_file icon_svg, "page/icon.svg"
  page_file uplot_css, "page/vendor/uPlot.min.css"
  page_file uplot_js, "page/vendor/uPlot.iife.min.js"
  page_file uplot_license, "page/vendor/uPlot.LICENSE"

  .section .note.GNU-stack, "", %progbits
