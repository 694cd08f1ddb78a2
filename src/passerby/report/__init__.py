"""The look at a dataset before anything is trained on it: records to figures, figures to findings, one page from both."""
