;;; lint.el --- Whether a client is clean  -*- lexical-binding: t; -*-

;;; Commentary:

;; Compiles the file that is named, without a trace, and has checkdoc and package-lint look at it.
;; Whatever they find is an error of this.

;;; Code:

(require 'package)
(package-initialize)
(require 'package-lint)
(require 'checkdoc)

(let ((file (car command-line-args-left))
      (byte-compile-error-on-warn t)
      (byte-compile-dest-file-function (lambda (_) (make-temp-file "compiled")))
      found)
  (unless (byte-compile-file file)
    (push "It does not compile without a warning" found))
  (let ((checkdoc-create-error-function
         (lambda (text start &rest _)
           (push (format "%s: %s" (and start (line-number-at-pos start)) text) found)
           nil)))
    (checkdoc-file file))
  ;; What can be installed is what is installed here.
  (setq package-archive-contents package-alist)
  (with-current-buffer (find-file-noselect file)
    (dolist (it (package-lint-buffer))
      ;; It is from a time in which there was no Emacs 28; and there is no page to name.
      (unless (string-match-p "uninstallable in all released Emacs\\|Homepage or URL" (nth 3 it))
        (push (format "%s: %s" (car it) (nth 3 it)) found))))
  (dolist (it found)
    (princ (concat it "\n")))
  (kill-emacs (if found 1 0)))
;;; lint.el ends here
