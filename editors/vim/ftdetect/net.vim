autocmd BufNewFile,BufRead *.net setfiletype net
