std = 'luajit'
read_globals = { 'vim' }
-- Options are set by assignment.
globals = { 'vim.g', 'vim.bo' }
