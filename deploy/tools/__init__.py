"""Programs that the checks of the chart, the images and the dashboards call; pinned."""
